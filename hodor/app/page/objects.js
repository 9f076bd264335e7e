// The list of objects: which one is in hand, names, how sure the network is of each in this frame.

const LOST = 0.5;
const CROSS = "M6 6l12 12M18 6 6 18";

function icon(path, fill = "none") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  shape.setAttribute("fill", fill);
  svg.append(shape);
  return svg;
}

export class Objects {
  constructor(model, list, add, attempt) {
    Object.assign(this, { model, list, attempt });
    add.addEventListener("click", () => attempt(() => this.add()));
    model.addEventListener("state", () => this.draw());
    for (const event of ["moved", "shown", "confidences"]) model.addEventListener(event, () => this.drawSure());
    this.draw();
  }

  async add() {
    const id = await this.model.api.addObject("");
    await this.model.refresh();
    this.select(id);
    this.list.querySelector(".is-selected input")?.select();
  }

  select(id) {
    this.model.selected = id;
    this.draw();
    this.model.tell("selected");
  }

  // The object at a place of the list, or the one after the one in hand.
  selectPlace(place) {
    const { objects } = this.model.state;
    if (objects[place]) this.select(objects[place].id);
  }

  selectNext(step) {
    const { objects } = this.model.state;
    const place = objects.findIndex(({ id }) => id === this.model.selected);
    if (objects.length) this.select(objects[(place + step + objects.length) % objects.length].id);
  }

  draw() {
    const key = JSON.stringify([this.model.state.objects, this.model.selected]);
    if (key !== this.drawn && !(this.drawn && this.list.contains(document.activeElement) && document.activeElement.matches("input") && !this.isRenamed(key))) {
      this.list.replaceChildren(...this.model.state.objects.map((each) => this.row(each)));
      this.drawn = key;
    }
    this.drawSure();
  }

  // While someone types a name only the choice of another object draws the list anew.
  isRenamed(key) {
    return JSON.parse(key)[1] !== JSON.parse(this.drawn)[1] || JSON.parse(key)[0].length !== JSON.parse(this.drawn)[0].length;
  }

  row({ id, name }) {
    const { model } = this;
    const row = document.createElement("li");
    row.dataset.id = id;
    row.classList.toggle("is-selected", id === model.selected);
    const swatch = document.createElement("button");
    swatch.type = "button";
    swatch.className = "swatch";
    swatch.append(icon("M12 3.500a8.500 8.500 0 1 0 .01 0z", model.colour(id)));
    swatch.setAttribute("aria-label", `Paint ${name}`);
    swatch.setAttribute("aria-pressed", String(id === model.selected));
    swatch.addEventListener("click", () => this.select(id));
    const input = document.createElement("input");
    input.type = "text";
    input.value = name;
    input.maxLength = 80;
    input.setAttribute("aria-label", `Name of object ${id}`);
    input.addEventListener("change", () => this.attempt(() => this.rename(id, input.value.trim())));
    input.addEventListener("keydown", (event) => event.key === "Enter" && input.blur());
    row.addEventListener("pointerdown", (event) => {
      if (id !== model.selected && !event.target.closest("button")) {
        model.selected = id;
        for (const each of this.list.children) each.classList.toggle("is-selected", each === row);
        for (const each of this.list.querySelectorAll(".swatch")) each.setAttribute("aria-pressed", String(each === swatch));
        model.tell("selected");
      }
    });
    const sure = document.createElement("span");
    sure.className = "sure";
    sure.title = "How sure the network is in this frame";
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "remove";
    remove.append(icon(CROSS));
    remove.setAttribute("aria-label", `Remove ${name}`);
    remove.title = "Remove it and all that was painted of it";
    remove.addEventListener("click", () => this.attempt(() => this.remove(id, name)));
    row.append(swatch, input, sure, remove);
    return row;
  }

  async rename(id, name) {
    await this.model.api.renameObject(id, name);
    await this.model.refresh();
  }

  async remove(id, name) {
    if (!confirm(`Remove ${name} and all that was painted of it?`)) return;
    await this.model.save();
    await this.model.api.removeObject(id);
    this.model.maps.clear();
    await this.model.refresh();
  }

  drawSure() {
    for (const row of this.list.children) {
      const confidence = this.model.confidences.get(Number(row.dataset.id))?.get(this.model.index);
      const sure = row.querySelector(".sure");
      sure.textContent = confidence === undefined ? "" : `${Math.round(confidence * 100)} %`;
      sure.classList.toggle("is-lost", confidence !== undefined && confidence < LOST);
    }
  }
}
