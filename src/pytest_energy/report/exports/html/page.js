// The page: what was chosen, and each section drawn from it.
"use strict";

(() => {
  const make = energy.make;
  const byId = (id) => document.getElementById(id);
  const SCOPES = [
    { id: "gated", name: "What a gate compares", words: "of the domains that a gate compares", takes: () => true },
    { id: "gpu", name: "GPU alone", words: "of the GPU alone", takes: (one) => one.scope === "gpu" },
    { id: "node", name: "All domains, with constants", words: "of all domains, constants included", takes: (one) => one.scope === "node" },
  ];
  const SECTIONS = [
    ["summary", "Summary"], ["results", "Results"], ["tasks", "Energy by task"], ["parameters", "Energy and parameters"],
    ["quality", "Energy and quality"], ["history", "History"], ["everyday", "Everyday terms"], ["even", "Break-even"], ["method", "How it was measured"],
  ];

  // What a reader has chosen; every figure of the page goes through `figure`.
  const state = {
    unit: energy.UNITS[0], scope: SCOPES[0], grid: null, published: false, work: "inference", metric: "", qualityTask: "", test: 0,
    figure: (row) => {
      const joules = row.energy ? row.energy[state.scope.id] : null;
      return joules === null || joules === undefined ? null : energy.convert(joules, state.unit, state.grid);
    },
  };
  let data = null, table = null, left = [];

  const read = async () => {
    const packed = Uint8Array.from(atob(byId("data").textContent.trim()), (one) => one.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  const field = (id, label, element) => make("div", { class: "control" }, make("label", { for: id }, label), " ", element);
  const text = (tag, ...words) => make(tag, {}, ...words);
  const list = (items) => make("ul", {}, ...items.map((one) => make("li", {}, energy.sentence(one))));

  // ---- Units and scope

  const words = () => energy.unitWords(state.unit, state.work);

  const controls = () => {
    energy.options(byId("unit"), energy.UNITS.map((unit) => [unit.id, unit.per === 1 ? unit.name : `${unit.name} per 1,000`]), state.unit.id);
    energy.options(byId("scope"), SCOPES.map((scope) => [scope.id, scope.name]), state.scope.id);
    // Energy per token and per inference do not stand in one chart.
    const works = [...new Set([...data.rows.filter((row) => !row.training), ...data.published.figures].map((one) => one.unit))];
    const own = data.rows.find((row) => !row.training);
    state.work = own ? own.unit : "inference";
    energy.options(byId("work"), works.map((one) => [one, one]), state.work);
    byId("work").addEventListener("change", () => { state.work = byId("work").value; draw(); });
    energy.options(byId("theme"), [["", "As the system has them"], ["light", "Light"], ["dark", "Dark"]], "");
    const ofReport = data.sessions.length ? `${data.grid.place}, as the report has it` : data.grid.place;
    energy.options(byId("country"), [["", energy.sentence(ofReport)], ...data.countries.map(([name], i) => [String(i), name]), ["own", "A figure of my own"]], "");
    byId("grams").value = String(data.grid.grams);
    byId("grams").max = String(mostGrams());
    state.grid = { ...data.grid };
    settle();
    byId("unit").addEventListener("change", () => { state.unit = energy.unitOf(byId("unit").value); draw(); });
    byId("scope").addEventListener("change", () => { state.scope = SCOPES.find((one) => one.id === byId("scope").value); draw(); });
    byId("theme").addEventListener("change", () => { document.documentElement.dataset.theme = byId("theme").value; });
    byId("country").addEventListener("change", () => choose(byId("country").value));
    byId("grams").addEventListener("input", () => choose("own"));
    byId("grams").addEventListener("change", settle);
  };

  // The grid that stays when what is written next cannot be: not the 1 of a 1e9 on its way.
  let settled = null;
  const settle = () => { settled = { grid: state.grid, country: byId("country").value }; };

  // No grid emits more; an option may have given more all the same.
  const mostGrams = () => Math.max(5000, data.grid.grams);

  // Another grid: its intensity is written where a reader can put one of their own.
  const choose = (value) => {
    if (value === "own") {
      const grams = energy.numberOf(byId("grams"), 0, mostGrams(), `The figures keep ${gridWords(settled.grid)}.`);
      byId("country").value = grams === null ? settled.country : "own";
      state.grid = grams === null ? settled.grid : { ...data.grid, grams, place: "as given here", year: null, source: "" };
    } else {
      const [place, grams, year] = value === "" ? [data.grid.place, data.grid.grams, data.grid.year] : data.countries[Number(value)];
      state.grid = { ...data.grid, place, grams, year, source: value === "" ? data.grid.source : "codecarbon's tables, from Our World in Data" };
      byId("grams").value = String(grams);
      energy.numberOf(byId("grams"), 0, mostGrams(), "");
      settle();
    }
    draw();
  };

  const gridWords = ({ grams, place, year, source }) =>
    `${energy.significant(grams)} g/kWh (${[place, year, source].filter(Boolean).join(", ")})`;

  const sayGrid = () => {
    const { pue } = state.grid;
    // What docs/reports.md and docs/training.md say of every report holds here too.
    const emitted = pue === 1 ? "no overhead of the site (PUE 1)" : `the overhead of the site, a PUE of ${pue}`;
    const trained = data.trainings.some((one) => one.pue !== 1) ? " The kWh of a whole training of one's own have the PUE of its run." : "";
    byId("grid").textContent = `CO2e at ${gridWords(state.grid)}. Energy is at the meter; CO2e has ${emitted}.${trained}`;
  };

  // ---- Sections

  const summary = () => {
    const box = byId("summary-body");
    const parts = [];
    const failures = data.sessions.flatMap((session) => session.problems);
    if (failures.length) parts.push(make("div", { class: "notice" }, text("h3", "What was asked for and could not be done"), list(failures)));
    if (!data.sessions.length) parts.push(text("p", "Published figures alone: no run of one's own is in this page."));
    else if (!data.rows.length) parts.push(text("p", "Nothing was metered: no test of the run has the marker inference, or all were left out."));
    for (const session of data.sessions.slice(0, 20)) {
      const against = session.base ? `compared with ${session.base}` : "compared with stored baselines";
      parts.push(text("p", `${energy.moment(session.date)}${session.commit ? `, at ${session.commit}` : ""}, on ${session.machine}: ${against}, decided by ${{ measured: "measured joules", counted: "exact counts", both: "measured joules and exact counts" }[session.judge]}. The gate itself took ${energy.significant(session.overhead.joules)} J and ${energy.significant(session.overhead.seconds)} s.`));
    }
    if (data.sessions.length > 20) parts.push(text("p", `And ${data.sessions.length - 20} sessions more.`));
    for (const role of data.roles) {
      const range = role.low === null ? "" : ` (95 % interval: ${energy.significant(role.low)} to ${energy.significant(role.high)})`;
      parts.push(make("p", { class: "ratio" }, `In ${role.task}, general-purpose models take ${energy.significant(role.value)} times the energy of task-specific ones${range}, ${SCOPES[0].words}, on ${role.machine}.`));
    }
    const counted = d3.nest().key((row) => row.verdict).rollup((of) => of.length).object(data.rows);
    if (data.rows.length) parts.push(make("ul", { class: "verdicts" }, ...Object.entries(counted).map(([verdict, number]) => make("li", {}, make("span", { class: `verdict ${verdict.replace(" ", "-")}` }, verdict), ` ${number.toLocaleString("en-US")}`))));
    const notices = [...new Set(data.sessions.flatMap((session) => session.notices))];
    if (notices.length) parts.push(make("details", {}, text("summary", `${notices.length} notice${notices.length === 1 ? "" : "s"}`), list(notices)));
    box.replaceChildren(...parts);
  };

  const ownPoint = (row) => ({
    name: row.name, task: row.task, dataset: row.dataset, model: row.model, role: row.role, unit: row.unit, concurrency: row.concurrency, published: false, value: state.figure(row), row,
    interval: state.scope.id === "gated" && row.energy && row.energy.interval ? row.energy.interval.map((joules) => energy.convert(joules, state.unit, state.grid)) : null,
    intervalWords: row.energy ? row.energy.interval_is : "", quality: row.quality, parameters: row.parameters,
  });

  const publishedPoint = (one) => ({
    name: one.model, task: one.task, model: one.model, role: one.role, unit: one.unit, published: true, source: data.published.sources[one.source].name,
    value: energy.convert(one.joules, state.unit, state.grid), interval: one.interval ? one.interval.map((joules) => energy.convert(joules, state.unit, state.grid)) : null,
    intervalWords: data.published.sources[one.source].interval, quality: one.quality, parameters: one.parameters, dataset: one.dataset, concurrency: one.concurrency, note: one.note,
  });

  const MIXED = "Published figures are of different scopes: choose a scope to see those of one alone. ";
  const mixed = () => (state.published && state.scope.id === "gated" ? MIXED : "");

  // Results of inferences in the unit of work chosen, and published figures in that and the scope chosen.
  const ownOf = (rows) => rows.filter((row) => !row.training && row.unit === state.work);
  const publishedNow = () => data.published.figures.filter((one) => one.unit === state.work && state.scope.takes(one));

  // What the charts show: the results that the filters leave, and the published figures where they are switched on.
  const pointsNow = () => {
    const own = ownOf(left).map(ownPoint).filter((point) => point.value > 0);
    return [...own, ...(state.published ? publishedNow().map(publishedPoint) : [])];
  };

  const say = (point) => {
    const range = point.interval ? `, ${point.intervalWords}: ${energy.significant(point.interval[0])} to ${energy.significant(point.interval[1])}` : "";
    const from = point.published ? `Published by ${point.source}: ` : "";
    const more = [point.task, point.dataset, point.concurrency > 1 ? `${point.concurrency.toLocaleString("en-US")} at a time` : "", point.note].filter(Boolean).join(", ");
    return `${from}${point.name}${more ? `, ${more}` : ""}: ${energy.significant(point.value)} ${energy.unitWords(state.unit, point.unit)}${range}`;
  };

  const lacking = (points, has, what) => {
    const missing = points.filter((point) => !has(point)).length;
    return missing ? `${missing.toLocaleString("en-US")} point${missing === 1 ? " has" : "s have"} no ${what} and ${missing === 1 ? "is" : "are"} not drawn. ` : "";
  };

  const INTERVALS = "Lines are intervals: of one's own figures the 95 % interval of the comparison, or the smallest and the largest block where nothing was compared; of published ones as their source says, at the end of the page.";

  const tasks = (all) => {
    const { points, hint } = energy.drawn(all.map((point) => ({ ...point, words: say(point) })));
    energy.tasksChart(byId("tasks-chart"), {
      title: `Energy by task, ${words()}`, unit: words(), points, hint: `${mixed()}${hint} ${points.some((point) => point.interval) ? INTERVALS : ""}`,
      empty: "No result has a figure in this scope.", 
      table: () => energy.tableOf("Energy by task, as a table", ["Task", "Model or test", "Role", "Source", words(), "Interval from", "Interval to", "Interval is"],
        points.map((point) => [point.task, point.name, point.role, point.published ? point.source : "This project", energy.significant(point.value), ...(point.interval ? [...point.interval.map((end) => energy.significant(end)), energy.sentence(point.intervalWords)] : ["", "", ""])])),
    });
  };

  const parameters = (all) => {
    const { points, hint } = energy.drawn(all.filter((point) => point.parameters > 0).map((point) => ({
      ...point, x: point.parameters, y: point.value, words: `${say(point)}; ${energy.count(point.parameters)} parameters` })));
    energy.scatter(byId("parameters-chart"), {
      title: `Energy against parameters, ${words()}`, points, logX: true, logY: true, labelX: "Parameters, logarithmic", labelY: `${words()}, logarithmic`,
      hint: mixed() + lacking(all, (point) => point.parameters > 0, "number of parameters") + hint,
      empty: "No result has a number of parameters: record it in the test with energy.record(parameters=…).",
      table: () => energy.tableOf("Energy against parameters, as a table", ["Model or test", "Task", "Role", "Source", "Parameters", words()],
        points.map((point) => [point.name, point.task, point.role, point.published ? point.source : "This project", energy.count(point.parameters), energy.significant(point.value)])),
    });
  };

  const ALL_TASKS = "*";

  const quality = (every) => {
    // A measure on one data set is none on another: there is a frontier of one task and data set alone.
    const kindOf = (point) => [point.task || "(no task)", point.dataset].filter(Boolean).join(", ");
    const graded = every.filter((point) => Object.keys(point.quality).length);
    const tally = d3.nest().key(kindOf).rollup((of) => of.length).entries(graded).sort((a, b) => b.value - a.value);
    const tasksKnown = tally.map((one) => one.key);
    if (state.qualityTask !== ALL_TASKS && !tasksKnown.includes(state.qualityTask)) state.qualityTask = tasksKnown[0] || "";
    const all = state.qualityTask === ALL_TASKS ? every : every.filter((point) => kindOf(point) === state.qualityTask);
    const task = make("select", { id: "quality-task", onchange: (event) => { state.qualityTask = event.target.value; quality(pointsNow()); byId("quality-task").focus(); } });
    energy.options(task, [...tasksKnown.map((name) => [name, name]), ...(tasksKnown.length > 1 ? [[ALL_TASKS, "All, without a frontier"]] : [])], state.qualityTask);
    const names = new Map();
    for (const point of all) for (const name of Object.keys(point.quality)) names.set(name, (names.get(name) || 0) + 1);
    const known = [...names.keys()].sort((a, b) => Number(b === "accuracy") - Number(a === "accuracy") || names.get(b) - names.get(a));
    if (!known.includes(state.metric)) state.metric = known[0] || "";
    const metric = state.metric;
    const select = make("select", { id: "metric", onchange: (event) => { state.metric = event.target.value; quality(pointsNow()); byId("metric").focus(); } });
    energy.options(select, known.map((name) => [name, name]), metric);
    const { points, hint } = energy.drawn(all.filter((point) => Object.hasOwn(point.quality, metric)).map((point) => ({
      ...point, x: point.value, y: point.quality[metric], words: `${say(point)}; ${metric} ${energy.significant(point.quality[metric])}` })));
    const best = state.qualityTask === ALL_TASKS ? [] : energy.frontier(points.map((point) => ({ ...point, joules: point.value, quality: point.y })));
    energy.scatter(byId("quality-chart"), {
      title: `Energy against ${metric || "quality"}${state.qualityTask && state.qualityTask !== ALL_TASKS ? ` of ${state.qualityTask}` : ""}, ${words()}`, points, logX: true, logY: false, labelX: `${words()}, logarithmic`, labelY: metric,
      frontier: best.length > 1 ? best.map((point) => ({ x: point.x, y: point.y })) : null, extra: best.length > 1 ? [`Line: the frontier; nothing takes less energy with a greater ${metric}`] : [],
      hint: mixed() + lacking(all, (point) => Object.hasOwn(point.quality, metric), metric) + hint,
      controls: known.length ? [make("div", { class: "controls" }, field("quality-task", "Task and data set", task), field("metric", "Quality", select))] : [],
      empty: "No result has a quality: record it in the test with energy.record(accuracy=…).",
      table: () => energy.tableOf(`Energy against ${metric}, as a table`, ["Model or test", "Task", "Role", "Source", words(), metric, "On the frontier"],
        points.map((point) => [point.name, point.task, point.role, point.published ? point.source : "This project", energy.significant(point.value), energy.significant(point.y), best.some((one) => one.x === point.x && one.y === point.y) ? "yes" : "no"])),
    });
  };

  const whatItIs = (point) => ({
    replaced: `the median of ${point.sessions} session${point.sessions === 1 ? "" : "s"}, replaced: ${point.reason}`,
    stored: point.verdict ? `a stored session, measured: ${point.verdict}` : "a stored session",
    measured: `measured: ${point.verdict}`,
  })[point.kind];

  const history = () => {
    const rows = left.filter((row) => row.history.stored.length || row.history.measured.length).slice(0, 2000);
    const choice = Math.min(state.test, Math.max(0, rows.length - 1)), row = rows[choice];
    const select = make("select", { id: "history-test", onchange: (event) => { state.test = Number(event.target.value); history(); byId("history-test").focus(); } });
    energy.options(select, rows.map((one, i) => [String(i), `${one.name}${data.machines.length > 1 ? ` (${one.machine})` : ""}`]), String(choice));
    const of = (kind, one) => ({ ...one, kind, published: false, value: energy.convert(one.joules, state.unit, state.grid) });
    const found = row ? [...row.history.replaced.map((one) => of("replaced", one)), ...row.history.stored.map((one) => of("stored", one)), ...row.history.measured.map((one) => of("measured", one))] : [];
    found.sort((a, b) => Number(a.date > b.date) - Number(a.date < b.date)); // what several reports have measured may be older than what is stored
    const points = found.filter((point) => point.value > 0).map((point) => ({ ...point, words: `${energy.moment(point.date)}${point.commit ? `, ${point.commit}` : ""}: ${energy.significant(point.value)} ${energy.unitWords(state.unit, row.unit)}, ${whatItIs(point)}` }));
    // An update stands before the first session of the level that came after the one replaced.
    const updates = points.map((point, i) => (point.kind === "replaced" ? points.findIndex((next, k) => k > i && next.kind !== "measured") : -1)).filter((i) => i > 0);
    energy.historyChart(byId("history-chart"), {
      title: row ? `History of ${row.name}, ${energy.unitWords(state.unit, row.unit)} ${SCOPES[0].words}` : "History", unit: row ? energy.unitWords(state.unit, row.unit) : "", points, levels: updates,
      limit: row && row.history.limit ? energy.convert(row.history.limit, state.unit, state.grid) : null,
      extra: row && row.history.limit ? ["Dashed: what the latest comparison allows"] : [],
      controls: rows.length ? [field("history-test", "Test", select)] : [],
      empty: "No result has a history: pytest --energy-update stores a session.",
      table: () => energy.tableOf("History, as a table", ["Date", "Commit", "What", row ? energy.unitWords(state.unit, row.unit) : ""], points.map((point) => [energy.moment(point.date), point.commit || "", energy.sentence(whatItIs(point)), energy.significant(point.value)])),
    });
  };

  // Models with a figure, one's own first, for the two calculators.
  const models = () => [
    ...ownOf(data.rows).filter((row) => row.energy && row.energy[state.scope.id] > 0).slice(0, 500).map((row) => ({ name: `${row.model || row.name}${row.task ? `, ${row.task}` : ""}`, joules: row.energy[state.scope.id], scope: state.scope.id, unit: row.unit, model: row.model })),
    ...publishedNow().map((one) => ({ name: `${one.model}, ${[one.task, one.dataset, one.concurrency > 1 ? `${one.concurrency} at a time` : ""].filter(Boolean).join(", ")}; ${data.published.sources[one.source].name}`, joules: one.joules, scope: one.scope, unit: one.unit, model: one.model })),
  ];

  const remembered = {};
  const pick = (id, label, options, change) => {
    // By its name: in another scope it may have another place, or none.
    const select = make("select", { id, onchange: () => { remembered[id] = options[Number(select.value)].name; change(); } });
    const place = Math.max(0, options.findIndex((one) => one.name === remembered[id]));
    energy.options(select, options.map((one, i) => [String(i), one.name]), String(place));
    return [select, field(id, label, select)];
  };

  const everyday = () => {
    const box = byId("everyday-body"), found = models();
    if (!found.length) return box.replaceChildren(make("p", { class: "empty" }, "No result has a figure in this scope."));
    const answer = make("ul", { id: "equivalents", "aria-live": "polite" });
    let settled = remembered.number = remembered.number || "1000"; // what stays when what is written next cannot be
    const [model, modelField] = pick("everyday-model", "Of", found, () => show());
    const number = make("input", { id: "everyday-number", type: "number", min: "1", max: String(MOST_CHOSEN), step: "any", value: settled, "aria-describedby": "everyday-error", oninput: () => choose(), onchange: () => { settled = remembered.number; } });
    const error = make("p", { id: "everyday-error", class: "error", role: "status" });
    const choose = () => {
      const given = energy.numberOf(number, 1, MOST_CHOSEN, `The figures keep ${energy.exactCount(Number(settled))}.`);
      remembered.number = given === null ? settled : number.value;
      show();
    };
    const show = () => {
      const one = found[Number(model.value)] || found[0], chosen = Number(remembered.number);
      const gramsEach = one.joules / 3.6e6 * state.grid.pue * state.grid.grams;
      answer.replaceChildren(...[...amounts(one, gramsEach), ...data.equivalents].map((thing) => {
        const each = (thing.of === "joules" ? one.joules : gramsEach) / thing.amount, count = energy.readableCount(each, chosen);
        const shown = energy.count(each * count);
        return make("li", {}, `${energy.exactCount(count)} ${one.unit}${count === 1 ? "" : "s"}: `,
          make("strong", {}, `${shown} ${shown === "1.00" ? thing.name : thing.plural}`), ". ", make("span", { class: "fine" }, `${thing.source}.`));
      }));
    };
    box.replaceChildren(make("div", { class: "controls" }, field("everyday-number", "How many", number), modelField), error, answer);
    show();
  };

  const MOST_CHOSEN = 1e15;
  const named = (name, amount) => ({ name, plural: name, amount });

  // Energy and emissions themselves, said as the things of every day are; in the larger unit where one inference takes as much.
  const amounts = (one, grams) => [
    { ...(one.joules < 3.6e6 ? named("Wh", 3600) : named("kWh", 3.6e6)), of: "joules", source: `At the meter, of ${METERED[one.scope]}` },
    { ...(grams < 1000 ? named("g of CO2e", 1) : named("kg of CO2e", 1000)), of: "grams", source: `At ${gridWords(state.grid)}${state.grid.pue === 1 ? "" : `, times a PUE of ${state.grid.pue}`}` },
  ];

  const METERED = { gated: "what a gate compares", gpu: "the GPU alone", node: "all domains with constants" };

  // Of which energy the days are: of one's own training both are at the meter, a published one is as printed.
  const basis = (training) => {
    if (training.pue === null) return training.note ? ` The training's kWh are of ${training.note}.` : "";
    return training.pue === 1 ? "" : " The days are of energy at the meter on both sides: training and inference have the same overhead.";
  };

  const even = () => {
    const box = byId("even-body"), found = models(), trainings = [...data.trainings, ...data.published.trainings];
    if (!found.length || !trainings.length) return box.replaceChildren(make("p", { class: "empty" }, "Nothing to compare: neither this run nor the published figures of this page have a training and an inference in this scope."));
    const answer = make("p", { id: "break-even", class: "answer", "aria-live": "polite" });
    // The model that was trained, where it has figures: a training is set against its own inference first.
    const match = () => {
      const index = found.findIndex((one) => one.model && one.model === trainings[Number(training.value)].model);
      if (index >= 0) { model.value = String(index); remembered["even-model"] = model.value; }
    };
    const [training, trainingField] = pick("even-training", "Training", trainings.map((one) => ({ ...one, name: `${one.name}: ${one.what}; ${one.source ? data.published.sources[one.source].name : "measured by this project"}` })), () => { match(); show(); });
    const [model, modelField] = pick("even-model", "Inference of", found, () => show());
    if (!("even-model" in remembered)) match();
    const queriesWord = state.work === "inference" ? "queries" : `${state.work}s`;
    const slider = make("input", { id: "even-queries", type: "range", min: "0", max: "9", step: "0.05", value: remembered.queries || "6", oninput: () => { remembered.queries = slider.value; show(); } });
    const show = () => {
      const queries = Number(energy.significant(Math.pow(10, Number(slider.value)), 2).replace(/,/g, ""));
      const one = found[Number(model.value)] || found[0], of = trainings[Number(training.value)] || trainings[0];
      slider.setAttribute("aria-valuetext", `${energy.count(queries)} a day`);
      answer.textContent = `At ${energy.count(queries)} ${queriesWord} a day, inference has taken as much as the training (${energy.significant(of.kwh)} kWh${of.pue === null || of.pue === 1 ? "" : `, times a PUE of ${of.pue}`}) after ${energy.days(energy.breakEvenDays(of.joules, one.joules, queries))}: ${energy.count(of.joules / one.joules)} ${queriesWord} of ${energy.significant(one.joules)} J.${of.scope === one.scope ? "" : ` These are of two scopes, ${METERED[of.scope]} against ${METERED[one.scope]}: take the days as an order of magnitude.`}${basis(of)}`;
    };
    box.replaceChildren(make("div", { class: "controls" }, trainingField, modelField, field("even-queries", `${queriesWord[0].toUpperCase()}${queriesWord.slice(1)} a day`, slider)), answer,
      make("p", { class: "fine" }, "By the method of Table 5 of Luccioni et al. (2024): energy of training, there with fine-tuning, over energy of a query."));
    show();
  };

  const method = () => {
    const parts = [];
    for (const machine of data.machines) {
      parts.push(make("h3", {}, machine.words), make("p", { class: "fine" }, `Machine class ${machine.slug}`));
      if (machine.domains.length) parts.push(energy.tableOf(`Domains on ${machine.slug}`, ["Domain", "Kind", "Method", "Instrument", "Basis"],
        machine.domains.map((one) => [one.name, one.kind, `${one.method}: ${energy.METHODS[one.method]}`, one.source, one.basis])));
    }
    const carbon = [...new Set(data.sessions.map((session) => `${session.carbon}, ${session.source}`))];
    if (carbon.length) parts.push(text("h3", "Carbon"), list(carbon));
    const exact = data.rows.filter((row) => row.counts).length;
    if (data.rows.length) parts.push(text("p", exact ? `${exact.toLocaleString("en-US")} of ${data.rows.length.toLocaleString("en-US")} results have exact counts in this page: their details show them.` : "No result has exact counts in this page."));
    const sources = Object.values(data.published.sources);
    parts.push(text("h3", "Published figures"), list(sources.map((one) => (one.interval ? `${one.words} Intervals: ${one.interval}.` : one.words))));
    byId("method-body").replaceChildren(...parts);
  };

  const publishedSwitch = () => {
    if (!data.published.figures.length) return;
    const box = make("input", { type: "checkbox", id: "published", onchange: () => { state.published = box.checked; charts(); } });
    box.checked = state.published;
    byId("grams-error").before(make("div", { class: "control" }, box, " ", make("label", { for: "published" }, `With ${data.published.figures.length.toLocaleString("en-US")} published figures`)));
  };

  const charts = () => { const points = pointsNow(); tasks(points); parameters(points); quality(points); history(); };

  const draw = () => { sayGrid(); if (table.order.id === "energy") table.sort(); else table.draw(); charts(); everyday(); even(); };

  const start = async () => {
    data = await read();
    energy.data = data;
    if (!data.sessions.length) { // nothing of one's own: the published figures, of whole nodes first
      state.published = true;
      state.scope = SCOPES.find((one) => one.id === "node");
      for (const id of ["results", "history"]) byId(id).hidden = true;
    }
    byId("contents").append(...SECTIONS.filter(([id]) => !byId(id).hidden).map(([id, name]) => make("li", {}, make("a", { href: `#${id}` }, name))));
    controls();
    publishedSwitch();
    sayGrid();
    summary();
    table = new energy.Table(data.rows, state, (rows) => { left = rows; charts(); });
    table.filter();
    everyday();
    even();
    method();
    document.documentElement.dataset.ready = "true";
  };

  start().catch((error) => {
    const failed = byId("failed");
    failed.hidden = false;
    failed.textContent = `This page could not be drawn (${error.message}): it needs a browser of 2023 or later. The JSON report has its figures as text.`;
    throw error;
  });
})();
