// Weights and settings of the next run, as they are and to be changed; and the same in a terminal.

const FIELDS = ["checkpoint", "min_dim", "backwards", "corrections_replace"];

export class SettingsPanel {
  constructor(model, find, attempt) {
    this.model = model;
    this.fields = Object.fromEntries(FIELDS.map((name) => [name, find(name)]));
    this.short = find("settings-short");
    this.command = find("command");
    find("weights").replaceChildren(...model.state.weights.map((name) => new Option(name, name)));
    for (const field of Object.values(this.fields)) field.onchange = () => attempt(() => this.change());
    model.addEventListener("state", () => this.draw());
    this.draw();
  }

  async change() {
    const { checkpoint, min_dim, backwards, corrections_replace } = this.fields;
    const settings = {
      checkpoint: checkpoint.value.trim() || this.model.state.weights[0],
      min_dim: min_dim.value ? Math.round(Number(min_dim.value)) : null,
      backwards: backwards.checked,
      corrections_replace: corrections_replace.checked,
    };
    try {
      this.model.take(await this.model.api.change({ settings }));
    } catch (error) {
      this.draw(true);
      throw error;
    }
  }

  draw(always = false) {
    const { settings, command } = this.model.state;
    for (const [name, field] of Object.entries(this.fields)) {
      if (!always && field === document.activeElement) continue;
      if (field.type === "checkbox") field.checked = settings[name];
      else field.value = settings[name] ?? "";
    }
    const weights = settings.checkpoint.split(/[\\/]/).at(-1);
    this.short.textContent = `${weights}${settings.min_dim ? `, ${settings.min_dim} px` : ""}${settings.backwards ? ", backwards" : ""}`;
    this.command.textContent = command.map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? part : `'${part.replaceAll("'", `'\\''`)}'`)).join(" ");
  }
}
