// Running: begin, progress, cancel; and the files that are taken away.

import { Live } from "./camera.js";

const PAUSE = 400; // milliseconds between questions while something runs
const IDLE = 4000;
const WORDS = { loading: "Loading the weights", backwards: "Following backwards", following: "Following", writing: "Writing" };

export class Running {
  constructor(model, elements, say, attempt) {
    Object.assign(this, { model, elements, say, attempt });
    this.run = model.state.run;
    this.number = this.run?.number ?? 0;
    this.followsAlong = false;
    this.wanted = null; // the form that is downloaded once it is made
    elements.run.addEventListener("click", () => attempt(() => this.begin()));
    elements.cancel.addEventListener("click", () => (this.live ? this.live.stop() : attempt(() => model.api.cancel())));
    for (const form of ["video", "coco"]) elements[form].addEventListener("click", () => attempt(() => this.make(form)));
    for (const event of ["state", "confidences", "painted"]) model.addEventListener(event, () => this.draw());
    this.draw();
    this.ask();
  }

  get isRunning() {
    return Boolean(this.live || (this.run && !this.run.over));
  }

  close() {
    clearTimeout(this.timer);
    this.isClosed = true;
    this.live?.stop();
  }

  // What a camera shows is followed as it comes.
  async beginLive() {
    const { model, elements } = this;
    this.live = new Live(model, (frame, rate) => {
      elements.text.textContent = `Live · frame ${frame} · ${rate.toFixed(1)} frames/s`;
    });
    elements.text.textContent = "Loading the weights";
    this.say("");
    this.draw();
    try {
      await this.live.run();
    } finally {
      this.live = null;
      model.seen = 0;
      if (!this.isClosed) {
        await model.loadConfidences();
        await model.refresh();
        this.draw();
      }
    }
  }

  async begin() {
    await this.model.save();
    if (this.model.state.camera) return this.beginLive();
    await this.model.api.run();
    this.followsAlong = true;
    this.say("");
    await this.ask();
  }

  async make(form) {
    await this.model.api.make(form);
    this.wanted = form;
    await this.ask();
  }

  // Asks how it goes, again and again; seldom while nothing runs, to see what other tabs do.
  async ask() {
    clearTimeout(this.timer);
    if (this.isClosed) return;
    try {
      await this.look();
      this.isAway = false;
    } catch (error) {
      if (!this.isAway) this.say(error.message);
      this.isAway = error.status === 0;
    }
    this.timer = setTimeout(() => this.ask(), this.isRunning ? PAUSE : IDLE);
  }

  async look() {
    const { model, wanted } = this; // what is wanted from now on this answer can't know of yet
    if (this.live) return;
    if (!model.isSaved) await model.save(); // it failed before, perhaps of a full disk
    const wasRunning = this.isRunning;
    const run = await model.api.progress(this.run?.over ? this.run.seen : model.seen);
    const isNew = run && run.number !== this.number;
    this.run = run;
    if (isNew) {
      this.number = run.number;
      model.seen = 0;
    }
    if (isNew || (wasRunning && run?.over)) {
      await model.loadConfidences();
      await model.refresh();
      if (run.error) this.say(run.error);
    } else if (!this.isRunning) await model.notice();
    if (run && !run.over && !isNew) this.add(run);
    if (run?.over && wanted) this.take(run);
    this.draw();
    if (this.isRunning && this.followsAlong && model.latest !== undefined) await model.show(model.latest);
    else if (wasRunning && !model.found && model.isFound(model.index)) await model.show(model.index);
  }

  add(run) {
    const { model } = this;
    model.addRows(run.rows);
    model.seen = run.seen;
    if (run.rows.length) {
      model.latest = Math.max(0, run.rows.at(-1)[0] - 2); // its mask is on the disk by now
      model.tell("confidences");
    }
  }

  take(run) {
    if (run.what === "done" && run.forms.includes(this.wanted)) {
      const link = document.createElement("a");
      link.href = this.model.api.url(`take/${this.wanted}`);
      link.download = "";
      link.click();
    }
    this.wanted = null;
  }

  draw() {
    const { model, elements, run } = this;
    const { isRunning } = this;
    elements.running.hidden = !isRunning;
    elements.run.hidden = isRunning;
    const hasMasks = model.marks.length > 0 || model.state.described;
    elements.run.disabled = !hasMasks || (!model.state.changed && model.hasFound && run?.what !== "cancelled" && run?.what !== "failed" && this.isWhole);
    elements.run.textContent = model.hasFound && hasMasks && model.state.changed ? "Follow on from the change" : "Follow";
    if (model.hasFound && !model.state.changed && !this.isWhole) elements.run.textContent = "Go on";
    elements.note.textContent = this.note(hasMasks);
    for (const form of ["video", "coco"]) elements[form].disabled = isRunning || !model.hasFound;
    elements.masks.setAttribute("aria-disabled", String(!model.hasFound));
    if (model.hasFound) elements.masks.href = model.api.url("take/masks");
    else elements.masks.removeAttribute("href");
    elements.cancel.textContent = this.live ? "Stop" : "Cancel";
    if (this.live) elements.progress.removeAttribute("value");
    else if (isRunning) this.drawProgress(run);
    if (!isRunning && model.state.camera) elements.run.textContent = "Follow live";
  }

  // Whether what was found reaches the last frame.
  get isWhole() {
    return this.model.isFound(this.model.last);
  }

  note(hasMasks) {
    if (this.isRunning) return "";
    if (!hasMasks) return "Paint an object in any frame first.";
    if (this.model.state.camera) return "Follows the painted objects in what the camera shows, and keeps it.";
    if (!this.model.hasFound) return "Finds the painted objects in all frames.";
    if (this.model.state.changed) return "Masks or settings have changed since.";
    return this.isWhole ? "Done. Correct any frame, and go on from there." : "Stopped before the end; it goes on where it was.";
  }

  drawProgress(run) {
    const { elements } = this;
    if (run.what === "loading") elements.progress.removeAttribute("value");
    else elements.progress.value = run.total ? Math.min(1, run.done / run.total) : 0;
    const speed = run.fps ? ` · ${run.fps.toFixed(run.fps < 10 ? 1 : 0)} frames/s` : "";
    const left = run.left === null ? "" : ` · ${duration(run.left)} left`;
    const count = run.what === "loading" ? "" : ` ${run.done} of ${run.total}`;
    elements.text.textContent = `${WORDS[run.what] ?? ""}${count}${speed}${left}`;
  }
}

function duration(seconds) {
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 3600), "h"], [Math.floor((whole % 3600) / 60), "min"], [whole % 60, "s"]];
  const first = parts.findIndex(([count]) => count);
  return parts.slice(first, first + 2).map(([count, unit]) => `${count}\u00a0${unit}`).join("\u00a0") || "0\u00a0s";
}
