// The time line: a curve of confidence for each object, marks where masks are given, and the way to any frame.

import { oncePerPicture } from "./drawing.js";

const MARK = 5; // CSS pixels
const HANDLE = 8; // half the width of a range's handle, so that both lines agree

export class Timeline {
  constructor(model, canvas, scrub, where, signal) {
    Object.assign(this, { model, canvas, scrub, where });
    this.drawSoon = oncePerPicture(() => this.drawNow());
    scrub.addEventListener("input", () => this.go(Number(scrub.value)));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.drag(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && this.drag(event));
    for (const event of ["state", "moved", "painted", "confidences"]) model.addEventListener(event, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(), { signal });
  }

  go(index) {
    this.model.dispatchEvent(new CustomEvent("wanted", { detail: index }));
  }

  drag(event) {
    const box = this.canvas.getBoundingClientRect();
    const part = (event.clientX - box.left - HANDLE) / Math.max(box.width - 2 * HANDLE, 1);
    const { first } = this.model.state;
    this.go(first + Math.min(1, Math.max(0, part)) * (this.model.last - first));
  }

  x(index) {
    const { first } = this.model.state;
    return HANDLE + ((index - first) / Math.max(this.model.last - first, 1)) * (this.canvas.clientWidth - 2 * HANDLE);
  }

  draw() {
    const { model, scrub, where } = this;
    const { rate, first, stride } = model.state;
    Object.assign(scrub, { min: first, max: model.last, step: stride });
    scrub.value = model.index;
    const seconds = (model.index / rate).toFixed(2);
    scrub.setAttribute("aria-valuetext", `frame ${model.index}, ${seconds} seconds`);
    where.textContent = `${model.index} / ${model.last} · ${seconds} s`;
    this.drawSoon();
  }

  drawNow() {
    const { canvas, model } = this;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const [line, text, soft] = ["--line", "--text", "--soft"].map((name) => style.getPropertyValue(name));
    const top = 6;
    const bottom = height - 16;
    const y = (confidence) => bottom - confidence * (bottom - top);
    context.strokeStyle = line;
    context.lineWidth = 1;
    for (const [level, dashes] of [[0, []], [0.5, [3, 4]], [1, []]]) {
      context.setLineDash(dashes);
      segment(context, HANDLE, y(level), width - HANDLE, y(level));
    }
    context.setLineDash([]);
    context.lineWidth = 2;
    context.lineJoin = "round";
    for (const [id, values] of model.confidences) {
      if (model.state.objects.some((each) => each.id === id)) this.curve(context, id, values, y);
    }
    context.fillStyle = soft;
    for (const index of model.marks) diamond(context, this.x(index), height - 7, MARK);
    context.strokeStyle = text;
    context.lineWidth = 1.5;
    segment(context, this.x(model.index), 0, this.x(model.index), height);
  }

  curve(context, id, values, y) {
    const frames = [...values.keys()].sort((one, other) => one - other);
    const every = Math.max(1, Math.floor(frames.length / 3000));
    const farthest = every * this.model.state.stride;
    context.strokeStyle = this.model.colour(id);
    context.globalAlpha = id === this.model.selected ? 1 : 0.7;
    context.beginPath();
    let before = null;
    for (let each = 0; each < frames.length; each += every) {
      const frame = frames[each];
      const place = [this.x(frame), y(values.get(frame))];
      before !== null && frame - before <= farthest ? context.lineTo(...place) : context.moveTo(...place);
      before = frame;
    }
    context.stroke();
    context.globalAlpha = 1;
  }
}

function segment(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function diamond(context, x, y, size) {
  context.beginPath();
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.fill();
}
