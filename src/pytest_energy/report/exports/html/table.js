// Elements, and the table of results: search, filters, sorting, pages.
"use strict";

(() => {
  // An element with its text and children; text is never read as markup.
  energy.make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  const make = energy.make;

  energy.options = (select, pairs, chosen) => {
    select.replaceChildren(...pairs.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
  };

  // The number that a field has, or null; what is not taken is said in the element that describes the field.
  // `kept` says in words which figure stays.
  energy.numberOf = (input, least, most, kept) => {
    const text = input.value.trim(), value = Number(text);
    let why = "";
    if (input.validity.badInput || (text !== "" && Number.isNaN(value))) why = "This is no number";
    else if (text === "") why = "No number is given";
    else if (value < least) why = `${text} is less than ${least.toLocaleString("en-US")}`;
    else if (value > most) why = `${text} is more than ${most.toLocaleString("en-US")}`;
    const range = `a number from ${least.toLocaleString("en-US")} to ${most.toLocaleString("en-US")}`;
    input.setAttribute("aria-invalid", String(why !== ""));
    document.getElementById(input.getAttribute("aria-describedby")).textContent = why && `${why}: write ${range}. ${kept}`;
    return why ? null : value;
  };

  // A table in a box that scrolls by itself on a narrow screen.
  energy.tableOf = (caption, heads, rows) =>
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      make("table", {},
        make("caption", {}, caption),
        make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, ...rows.map((cells) =>
          make("tr", {}, ...cells.map((cell) => make("td", {}, cell instanceof Node ? cell : String(cell))))))));

  const FILTERS = [
    { id: "task", name: "Task" },
    { id: "model", name: "Model" },
    { id: "role", name: "Role" },
    { id: "verdict", name: "Verdict" },
    { id: "machine", name: "Machine" },
  ];
  const NONE = "(none)";
  const shown = (text) => text || NONE;

  // The worst first: what a reader has come for.
  const VERDICTS = ["regressed", "over budget", "inconclusive", "incomparable", "unresolved", "unmeasured", "improved", "new", "ok"];

  // The figures stand before what describes the test: on a narrow screen they are in view.
  const COLUMNS = [
    { id: "verdict", name: "Verdict", value: (row) => VERDICTS.indexOf(row.verdict) },
    { id: "test", name: "Test", value: (row) => row.name },
    { id: "energy", name: "Energy", value: (row, state) => state.figure(row), figure: true },
    { id: "change", name: "Change", value: (row) => row.change, figure: true },
    { id: "seconds", name: "Time", value: (row) => (row.energy ? row.energy.seconds : null), figure: true },
    { id: "task", name: "Task", value: (row) => row.task },
    { id: "model", name: "Model", value: (row) => row.model },
    { id: "role", name: "Role", value: (row) => row.role },
  ];

  // What a column is called with the unit and scope chosen: a change is of what the gate compared in every scope.
  const headOf = ({ id, name }, state) => {
    if (id === "energy") return `${name}, ${energy.columnWords(state.unit)}`;
    if (id === "change") return changeName(state);
    return name;
  };
  const changeName = (state) => (state.scope.id === "gated" ? "Change" : "Change of what is gated");

  const compare = (a, b) => {
    const lackA = a === null || a === "", lackB = b === null || b === "";
    if (lackA || lackB) return Number(lackA) - Number(lackB); // what has none stands at the end
    return typeof a === "number" ? a - b : a.localeCompare(b, "en");
  };

  energy.Table = class {
    // `state` tells the figure of a row in the unit and scope chosen; `changed` is called with the rows that
    // are left whenever `filter` is: the first time by who makes the table.
    constructor(rows, state, changed) {
      this.ids = new Map(rows.map((row, i) => [row, `details-${i}`]));
      this.rows = rows.map((row) => ({ row, text: [row.test, row.region, row.task, row.model, row.dataset, row.role, row.verdict, row.machine].join("\n").toLowerCase() }));
      this.state = state;
      this.changed = changed;
      this.order = { id: "verdict", down: false };
      this.page = 0;
      this.size = 50;
      this.open = new Set();
      this.makeFilters();
      this.makeTable();
      this.makePages();
    }

    makeFilters() {
      const form = document.getElementById("filters");
      const search = make("input", { id: "search", type: "search", autocomplete: "off", oninput: () => this.filter() });
      form.append(make("div", { class: "control" }, make("label", { for: "search" }, "Search"), " ", search));
      for (const { id, name } of FILTERS) {
        const values = [...new Set(this.rows.map(({ row }) => shown(row[id])))];
        values.sort((a, b) => (id === "verdict" ? VERDICTS.indexOf(a) - VERDICTS.indexOf(b) : a.localeCompare(b, "en")));
        const select = make("select", { id: `filter-${id}`, onchange: () => this.filter() });
        energy.options(select, [["", "All"], ...values.map((value) => [value, value])], "");
        form.append(make("div", { class: "control" }, make("label", { for: `filter-${id}` }, name), " ", select));
      }
      form.append(make("button", { type: "reset" }, "Show all"));
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("reset", () => setTimeout(() => this.filter()));
    }

    makeTable() {
      this.heads = new Map();
      const heads = COLUMNS.map((column) => {
        const button = make("button", { type: "button", onclick: () => this.sortBy(column.id) }, column.name);
        const head = make("th", { scope: "col", role: "columnheader", class: column.figure ? "figure" : null }, button);
        this.heads.set(column.id, head);
        return head;
      });
      this.body = make("tbody", { role: "rowgroup" });
      this.caption = make("caption", {}, "Results");
      // On a phone each row is drawn as a card; the roles keep it a table for those who hear it.
      const row = make("tr", { role: "row" }, make("th", { scope: "col", role: "columnheader", class: "opens" }, "Details"), ...heads);
      document.getElementById("table").append(
        make("table", { class: "results", role: "table" }, this.caption, make("thead", { role: "rowgroup" }, row), this.body));
    }

    filter() {
      const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = FILTERS.map(({ id }) => [id, document.getElementById(`filter-${id}`).value]).filter(([, value]) => value);
      this.left = this.rows.filter(({ row, text }) =>
        wanted.every(([id, value]) => shown(row[id]) === value) && words.every((word) => text.includes(word))).map(({ row }) => row);
      this.page = 0;
      this.sort();
      this.changed(this.left);
    }

    sortBy(id) {
      this.order = { id, down: this.order.id === id && !this.order.down };
      this.page = 0;
      this.sort();
    }

    sort() {
      const { id, down } = this.order;
      const column = COLUMNS.find((one) => one.id === id);
      const keyed = this.left.map((row) => [column.value(row, this.state), row]);
      keyed.sort(([a], [b]) => {
        const lacking = (a === null || a === "") !== (b === null || b === "");
        return lacking || !down ? compare(a, b) : compare(b, a);
      });
      this.sorted = keyed.map(([, row]) => row);
      this.draw();
    }

    // Show the page of rows that was turned to; figures are made anew, in the unit chosen.
    draw() {
      for (const [id, head] of this.heads) {
        const order = this.order.down ? "descending" : "ascending";
        if (id === this.order.id) head.setAttribute("aria-sort", order);
        else head.removeAttribute("aria-sort");
        head.firstChild.textContent = headOf(COLUMNS.find((one) => one.id === id), this.state);
      }
      const gated = this.state.scope.id === "gated" ? "" : " Verdict and change are the gate's, of all that it compared, whatever the scope.";
      this.caption.textContent = `Energy ${this.state.scope.words}, time per unit of work.${gated}`;
      const first = this.page * this.size;
      const rows = this.sorted.slice(first, first + this.size);
      this.body.replaceChildren(...rows.flatMap((row) => this.rowsOf(row)));
      const total = this.rows.length.toLocaleString("en-US");
      document.getElementById("count").textContent = this.sorted.length === this.rows.length
        ? `${total} result${this.rows.length === 1 ? "" : "s"}`
        : `${this.sorted.length.toLocaleString("en-US")} of ${total} results`;
      this.drawPages(first, rows.length);
    }

    rowsOf(row) {
      const id = this.ids.get(row);
      const open = this.open.has(row);
      const button = make("button", { type: "button", class: "more", "aria-expanded": String(open), "aria-controls": id, "aria-label": `Details of ${row.name}`, onclick: () => this.toggle(row, id) }, open ? "−" : "+");
      const value = this.state.figure(row), { unit } = this.state;
      // `label` is what a card calls the cell, whose column has no head in sight.
      const cell = (label, figure, ...content) => make("td", { role: "cell", "data-label": label, class: figure ? "figure" : null }, ...content);
      const cells = [
        make("td", { role: "cell", class: "opens" }, button),
        make("td", { role: "cell" }, make("span", { class: `verdict ${row.verdict.replace(" ", "-")}` }, row.verdict)),
        make("th", { scope: "row", role: "rowheader", title: row.test }, row.name),
        value === null ? cell("Energy", true, "–") : cell("Energy", true, make("span", { class: "value" }, energy.figureWords(value, unit)), " ", make("span", { class: "per" }, energy.perWords(unit, row.unit))),
        cell(changeName(this.state), true, row.change === null ? "–" : energy.percent(row.change)),
        cell("Time", true, row.energy ? `${energy.significant(row.energy.seconds)} s` : "–"),
        cell("Task", false, row.task), cell("Model", false, row.model), cell("Role", false, row.role),
      ];
      const rows = [make("tr", { role: "row" }, ...cells)];
      if (open) rows.push(make("tr", { id, role: "row", class: "details" }, make("td", { role: "cell", colspan: String(cells.length) }, energy.details(row, this.state))));
      return rows;
    }

    toggle(row, id) {
      if (!this.open.delete(row)) this.open.add(row);
      this.draw();
      document.querySelector(`[aria-controls="${id}"]`).focus();
    }

    // The buttons stay while pages are turned, and with them the focus: one that leads nowhere says so and does nothing.
    makePages() {
      const turns = [["First", () => 0], ["Previous", () => this.page - 1], ["Next", () => this.page + 1], ["Last", () => this.lastPage()]];
      this.turns = new Map(turns.map(([name, to]) => [name, make("button", { type: "button", "data-turn": name, onclick: () => this.turnTo(to()) }, name)]));
      this.shownRows = make("span", { role: "status" });
      const button = (name) => this.turns.get(name);
      document.getElementById("pages").append(button("First"), " ", button("Previous"), " ", this.shownRows, " ", button("Next"), " ", button("Last"));
    }

    lastPage() { return Math.max(0, Math.ceil(this.sorted.length / this.size) - 1); }

    drawPages(first, number) {
      const last = this.lastPage();
      document.getElementById("pages").hidden = last === 0;
      for (const [name, button] of this.turns) {
        const off = name === "First" || name === "Previous" ? this.page === 0 : this.page === last;
        button.setAttribute("aria-disabled", String(off));
      }
      this.shownRows.textContent = `${(first + 1).toLocaleString("en-US")} to ${(first + number).toLocaleString("en-US")} of ${this.sorted.length.toLocaleString("en-US")}`;
    }

    turnTo(page) {
      this.page = Math.min(Math.max(page, 0), this.lastPage());
      this.draw();
    }
  };
})();
