"""``python -m rnnrev.widgets FOLDER`` writes the files that static pages with widgets load."""

import argparse

from .assets import write_assets

parser = argparse.ArgumentParser(prog="python -m rnnrev.widgets", description=__doc__)
parser.add_argument("folder", help="folder to write to, book/_static/widgets for the book")
for file in write_assets(parser.parse_args().folder):
    print(f"written {file} ({file.stat().st_size / 1e6:.2f} MB)")
