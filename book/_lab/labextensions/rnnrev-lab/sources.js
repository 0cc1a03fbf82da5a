// In `make lab` a double click on a source, book/NAME.md, opens its executed notebook, where there is one, and that of a
// module, book/api/NAME.md, its page. "Open With" still opens the source. A JupyterLab extension that needs no build: the
// container of its only module, by hand.
let shared;
const container = {
  init(scope) { shared = scope; },
  async get() {
    const [offered] = Object.values(shared["@jupyterlab/docmanager"]);
    const { IDocumentManager } = (await offered.get())();
    const activate = ({ serviceManager }, manager) => {
      const open = manager.openOrReveal.bind(manager);
      manager.openOrReveal = (path, viewer = "default", ...more) => {
        const read = path.replace(/^book\/(api\/.+)\.md$/, "_build/html/book/$1.html")
          .replace(/^book\/([^/]+)\.md$/, "_build/notebooks/$1.ipynb");
        if (read === path || viewer !== "default") return open(path, viewer, ...more);
        serviceManager.contents.get(read, { content: false }).then(() => open(read), () => open(path));
      };
    };
    return () => ({ id: "rnnrev-lab:sources", autoStart: true, requires: [IDocumentManager], activate });
  },
};
(window._JUPYTERLAB ??= {})["rnnrev-lab"] = container;
