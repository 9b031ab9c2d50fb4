// The details of one result: the verdict's own words, the domains, what was counted, the culprits.
"use strict";

(() => {
  const make = energy.make;
  const METHODS = {
    counter: "read from a hardware counter",
    sampled: "power samples, integrated over time",
    estimated: "from a model of something else",
    constant: "a fixed power times the duration",
  };
  energy.METHODS = METHODS;

  const scaled = (value, unit, steps) => {
    const [size, prefix] = steps.find(([least]) => Math.abs(value) >= least * 0.9995) || steps[steps.length - 1];
    return `${energy.significant(value / size)} ${prefix}${unit}`;
  };
  const flops = (value) => scaled(value, "FLOP", [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]);
  const bytes = (value) => scaled(value, "B", [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]);
  const number = (value) => (Number.isInteger(value) ? value.toLocaleString("en-US") : energy.significant(value));
  const share = (fraction) => `${energy.significant(100 * fraction, 2)} %`;

  const facts = (pairs) =>
    make("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== "" && value !== undefined)
      .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

  const domains = (row, state) => energy.tableOf(
    `Domains of ${row.name}`,
    ["Domain", energy.unitWords(state.unit, row.unit), "Method", "Instrument", "Gated"],
    row.energy.domains.map((one) => [
      one.name, energy.significant(energy.convert(one.joules, state.unit, state.grid)),
      `${one.method}: ${METHODS[one.method]}`, one.basis ? `${one.source} (${one.basis})` : one.source, one.gated ? "yes" : "no",
    ]));

  // A tree of which each node has its share and words; nodes with others beneath can be folded.
  const tree = (nodes, words) =>
    make("ul", { class: "tree" }, ...nodes.map((node) => {
      const line = [make("span", { class: "share" }, node.share === null ? "" : share(node.share)), " ", make("code", {}, node.name), words(node) ? ` ${words(node)}` : ""];
      return node.below.length
        ? make("li", {}, make("details", { open: true }, make("summary", {}, ...line), tree(node.below, words)))
        : make("li", {}, ...line);
    }));

  const counts = (row) => {
    const found = row.counts;
    return make("section", {},
      make("h4", {}, `Counted exactly, per ${row.training ? "step" : "inference"} (${number(found.samples)} sample${found.samples === 1 ? "" : "s"}, ${found.device})`),
      facts([
        ["Floating-point operations", found.why_no_operators ? `Not counted: ${found.why_no_operators}` : flops(found.flops)],
        ["Bytes read and written", found.why_no_operators ? "" : bytes(found.bytes)],
        ["Operator calls", found.why_no_operators ? "" : number(found.operator_calls)],
        ["Python calls", found.why_no_python ? `Not counted: ${found.why_no_python}` : number(found.python_calls)],
      ]),
      found.tree.length ? make("details", {}, make("summary", {}, "By module and operator: shares of the counted energy, which is a model and no measurement"),
        tree(found.tree, (node) => [node.flops ? flops(node.flops) : "", node.bytes ? bytes(node.bytes) : "", `${number(node.calls)} call${node.calls === 1 ? "" : "s"}`].filter(Boolean).join(", "))) : "");
  };

  const culprits = (row) => {
    const found = row.culprits;
    if (found.problem) return make("section", {}, make("h4", {}, "What has changed of exact counts"), make("p", {}, `Not compared: ${found.problem}`));
    if (found.unchanged) return make("section", {}, make("h4", {}, "What has changed of exact counts"), make("p", {}, "Nothing: the counts are unchanged."));
    return make("section", {},
      make("h4", {}, "What has changed of exact counts"),
      found.tree.length ? tree(found.tree, (node) => node.words) : "",
      found.functions.length ? energy.tableOf("Python functions that are called otherwise", ["Caller", "Callee", "Before", "Now", "Calls beneath"],
        found.functions.map((one) => [one.caller, one.callee, number(one.before), number(one.after), (one.more > 0 ? "+" : "") + number(one.more)])) : "");
  };

  energy.details = (row, state) => {
    const measured = row.energy, recorded = Object.entries(row.recorded);
    return make("div", { class: "inside" },
      make("h3", {}, row.test + (row.region ? `#${row.region}` : "")),
      make("pre", { class: "words", tabindex: "0", role: "group", "aria-label": `The verdict's words on ${row.name}` }, row.words),
      row.change === null ? "" : make("p", { class: "fine" }, "A change's interval, in brackets, is a 95 % interval."),
      facts([
        ["Outcome", row.outcome], ["Task", row.task], ["Model", row.model], ["Dataset", row.dataset], ["Role", row.role],
        ["Samples", `${row.n.toLocaleString("en-US")}, per ${row.unit}`], ["Machine", row.machine], ["Measured", row.commit ? `${energy.moment(row.date)}, at ${row.commit}` : energy.moment(row.date)],
        ["At a time", row.concurrency > 1 ? row.concurrency.toLocaleString("en-US") : ""],
        ["Latency", measured ? measured.latency : ""],
        ["Power", measured ? `${energy.significant(measured.watts)} W` : ""],
        ["Recorded", recorded.map(([name, value]) => `${name} ${Math.abs(value) >= 1e5 ? energy.count(value) : energy.significant(value)}`).join(", ")],
        ["Stored", row.stored], ["Interference", measured ? measured.interference.join("; ") : ""],
        ["Versions", row.environment.join(", ")],
      ]),
      measured ? domains(row, state) : "",
      row.counts ? counts(row) : "",
      row.culprits ? culprits(row) : "");
  };
})();
