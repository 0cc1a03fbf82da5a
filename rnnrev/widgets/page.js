import { FRAMES, WITHOUT_NETWORK } from "./frames.js";
import { Network } from "./engine.js";
import { chosenProps } from "./draw.js";
import { render } from "./renderers.js";

// The static page: no kernel, so the network runs here. Weights are a script beside this one, loaded when a reader
// first reaches for a widget; a script, because a page opened from a disk may not fetch.

const HERE = document.currentScript?.src ?? "";
const ASSET = "gru-imdb";
const networks = new Map(); // by the name of their file: promises
const waiting = new Map();

globalThis.rnnrevAsset = (name, header, base64) => waiting.get(name)?.(header, base64);

function loadNetwork(name = ASSET) {
  if (!networks.has(name)) {
    networks.set(name, new Promise((resolve, reject) => {
      waiting.set(name, (header, base64) => resolve(new Network(header, base64)));
      const tag = document.createElement("script");
      tag.src = new URL(`${name}.js`, HERE).href;
      tag.onerror = () => {
        networks.delete(name);
        tag.remove();
        reject(new Error("the network\u2019s weights could not be loaded"));
      };
      document.head.append(tag);
    }));
  }
  return networks.get(name);
}

// What anywidget calls a model, with frames that are computed here
class PageModel {
  constructor({ kind, props, controls, looks, frame }) {
    this.values = { kind, props, frame, status: "", ...controls, ...looks };
    this.controls = new Set(Object.keys(controls));
    this.listeners = new Map();
    this.changed = new Set();
    this.turn = 0;
    this.settled = Promise.resolve(); // when the latest frame is complete
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    this.values[name] = value;
    this.changed.add(name);
  }

  on(event, callback) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event).add(callback);
  }

  off(event, callback) {
    this.listeners.get(event)?.delete(callback);
  }

  save_changes() {
    const names = [...this.changed];
    this.changed.clear();
    for (const name of names) for (const callback of this.listeners.get(`change:${name}`) ?? []) callback();
    if (names.some((n) => this.controls.has(n))) this.settled = this.update();
  }

  tell(name, value) {
    this.set(name, value);
    this.save_changes();
  }

  async prepare() {
    if (WITHOUT_NETWORK.has(this.get("kind"))) return null;
    const props = chosenProps(this);
    if (this.shown !== props) {
      this.tell("status", "The network is being loaded \u2026");
      try {
        const net = await loadNetwork(props.file ?? (props === this.get("props") ? ASSET : props.network));
        const same = [["fingerprint", net.fingerprint], ["bag_fingerprint", net.bagFingerprint], ["knob_fingerprint", net.knobFingerprint]]
          .every(([name, held]) => (props[name] ?? held) === held);
        if (!same) {
          this.tell("status", `This page cannot run ${props.network} by itself: run the notebook to change the picture.`);
          return undefined;
        }
        [this.net, this.shown] = [net, props];
        this.tell("status", "The network runs in this page.");
      } catch (error) {
        this.tell("status", `The picture stays as it is: ${error.message}.`);
        return undefined;
      }
    }
    return this.net;
  }

  // A second network is loaded when it is asked for
  async others() {
    const { networks: names = [], fingerprints = [] } = this.get("props");
    const second = this.get("second");
    const found = [];
    if (!(second > 0 && second < names.length)) return found;
    this.tell("status", `${names[second]} is being loaded \u2026`);
    try {
      found[second] = await loadNetwork(names[second]);
      if (found[second].fingerprint !== fingerprints[second]) throw new Error(`this page holds another ${names[second]}`);
    } catch (error) {
      this.tell("status", `The picture stays as it is: ${error.message}.`);
      return undefined;
    }
    this.tell("status", "Both networks run in this page.");
    return found;
  }

  // The latest settings win: a frame that has been overtaken is dropped
  async update() {
    const turn = ++this.turn;
    const net = await this.prepare();
    if (net === undefined || turn !== this.turn) return;
    const others = await this.others();
    if (others === undefined || turn !== this.turn) return;
    const made = FRAMES[this.get("kind")](net, chosenProps(this), (name) => this.get(name), others);
    if (typeof made.next !== "function") {
      this.tell("frame", made);
      return;
    }
    for (const frame of made) {
      this.tell("frame", frame);
      await new Promise((resolve) => setTimeout(resolve));
      if (turn !== this.turn) return;
    }
  }
}

function mount(place) {
  const state = JSON.parse(place.querySelector('script[type="application/json"]').textContent);
  const model = new PageModel(state);
  const el = document.createElement("div");
  place.replaceChildren(el);
  place.classList.remove("rnnrev-widget");
  place.classList.add("rw-place");
  render({ model, el });
  const reach = () => model.prepare();
  for (const event of ["pointerenter", "focusin"]) el.addEventListener(event, reach, { once: true });
  place.rnnrev = model; // for tests and for the curious
}

function mountAll() {
  document.querySelectorAll(".rnnrev-widget[data-widget]").forEach(mount);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
else mountAll();
