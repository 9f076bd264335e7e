// The page of one session: ties canvas, tools, time line, objects and runs to one model.

import { SessionApi } from "./api.js";
import { listenToKeys } from "./keys.js";
import { Model } from "./model.js";
import { Objects } from "./objects.js";
import { Running } from "./running.js";
import { SettingsPanel } from "./settings.js";
import { Timeline } from "./timeline.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";

// Elements are made anew for each session, so that none listens for an earlier one.
function freshEditor() {
  const old = document.getElementById("editor");
  const fresh = freshEditor.template.cloneNode(true);
  old.replaceWith(fresh);
  return fresh;
}

export function rememberEditor() {
  freshEditor.template = document.getElementById("editor").cloneNode(true);
}

export class Editor {
  // None where another page is wanted by the time that the server has answered.
  static async open(id, say, attempt, isWanted) {
    const api = new SessionApi(id);
    const state = await api.state();
    return isWanted() ? new Editor(api, state, say, attempt) : null;
  }

  constructor(api, state, say, attempt) {
    this.root = freshEditor();
    this.root.hidden = false;
    const find = (id) => this.root.querySelector(`#${id}`);
    Object.assign(this, { find, say, attempt });
    this.model = new Model(api, state);
    this.view = new View(find("canvas"), this.model);
    this.tools = new Tools(this.view, this.model, say);
    this.closing = new AbortController();
    this.timeline = new Timeline(this.model, find("curves"), find("scrub"), find("where"), this.closing.signal);
    this.objects = new Objects(this.model, find("objects"), find("add"), attempt);
    const parts = { run: "run", running: "running", cancel: "cancel", progress: "progress", text: "progress-text", note: "run-note",
      masks: "take-masks", video: "take-video", coco: "take-coco" };
    const elements = Object.fromEntries(Object.entries(parts).map(([name, each]) => [name, find(each)]));
    this.settings = new SettingsPanel(this.model, find, attempt);
    this.running = new Running(this.model, elements, say, attempt);
    this.bind();
    listenToKeys(this, this.closing.signal);
    document.getElementById("title").textContent = state.title;
    document.title = `${state.title} – hodor`;
    attempt(async () => {
      await this.model.loadConfidences();
      await this.model.show(state.first);
    });
  }

  bind() {
    const { find, model, tools } = this;
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      button.addEventListener("click", () => this.choose(button.dataset.tool));
    }
    this.choose("brush");
    find("size").max = Math.round(Math.min(model.size.width, model.size.height) / 2);
    this.resize(tools.size);
    find("size").addEventListener("input", () => this.resize(Number(find("size").value)));
    const clicks = { undo: () => model.undo(), redo: () => model.redo(), fit: () => this.view.fit(), eye: () => this.toggleMasks(),
      previous: () => this.step(-1), next: () => this.step(1), play: () => this.togglePlay(), take: () => this.take(), clear: () => this.clear() };
    for (const [id, act] of Object.entries(clicks)) find(id).addEventListener("click", act);
    find("drawn").addEventListener("change", (event) => this.attempt(() => this.readDrawn(event.target)));
    model.addEventListener("wanted", (event) => this.go(event.detail));
    model.addEventListener("failed", (event) => this.say(event.detail.message));
    model.addEventListener("selected", () => (tools.reset(), this.timeline.draw()));
    for (const event of ["moved", "shown", "painted", "saved", "confidences"]) model.addEventListener(event, () => this.draw());
    window.addEventListener("beforeunload", (event) => model.isSaved || event.preventDefault(), { signal: this.closing.signal });
  }

  close() {
    this.isPlaying = false;
    this.running.close();
    this.closing.abort();
    this.root.hidden = true;
    document.getElementById("saved").textContent = "";
  }

  choose(tool) {
    this.tools.choose(tool);
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
  }

  resize(size) {
    this.tools.size = Math.min(Math.max(Math.round(size), 2), Number(this.find("size").max));
    this.find("size").value = this.tools.size;
    this.view.draw();
  }

  toggleMasks() {
    this.view.isShown = !this.view.isShown;
    this.find("eye").setAttribute("aria-pressed", String(this.view.isShown));
    this.view.draw();
  }

  go(index) {
    this.running.followsAlong = false;
    return this.attempt(() => this.model.show(index));
  }

  step(by) {
    this.isPlaying = false;
    return this.go(this.model.index + by * this.model.state.stride);
  }

  async togglePlay() {
    this.isPlaying = !this.isPlaying;
    const turn = (this.turn = (this.turn ?? 0) + 1); // a loop that was told to stop may not have noticed yet
    const button = this.find("play");
    button.classList.add("is-playing");
    button.setAttribute("aria-label", "Pause (space)");
    const { first, stride, rate } = this.model.state;
    if (this.isPlaying && this.model.index === this.model.last) await this.go(first);
    while (this.isPlaying && this.turn === turn && this.model.index < this.model.last) {
      const begin = performance.now();
      await this.go(this.model.index + stride);
      const rest = (1000 * stride) / rate - (performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, Math.max(rest, 0)));
    }
    if (this.turn !== turn) return;
    this.isPlaying = false;
    button.classList.remove("is-playing");
    button.setAttribute("aria-label", "Play (space)");
  }

  take() {
    this.model.edit(() => this.model.takeFound());
  }

  clear() {
    this.tools.reset();
    this.model.edit((map) => map.labels.fill(0));
  }

  async readDrawn(input) {
    const [file] = input.files;
    input.value = "";
    if (!file || !this.model.map) return;
    const { index } = this.model;
    const labels = await this.model.api.drawn(index, file);
    await this.model.refresh();
    if (this.model.index !== index) throw new Error(`${file.name} belongs to frame ${index}; go there and choose it again`);
    this.model.edit((map) => labels.forEach((id, place) => id && (map.labels[place] = id)));
  }

  draw() {
    const { find, model } = this;
    find("undo").disabled = !model.map?.undo.length;
    find("redo").disabled = !model.map?.redo.length;
    find("take").disabled = !model.shownFound()?.some(Boolean);
    find("clear").disabled = !model.map?.labels.some(Boolean);
    document.getElementById("saved").textContent = model.isSaved ? "Saved" : "Saving ...";
  }
}
