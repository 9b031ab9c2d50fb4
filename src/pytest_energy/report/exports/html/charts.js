// Charts as SVG, drawn with D3. Each has a title, a legend that is not color alone, a table of what
// it shows, and is gone through with the arrow keys: what is pointed at stands below it in words.
"use strict";

(() => {
  const make = energy.make;
  const ROLES = [
    { id: "task-specific", name: "task-specific", symbol: d3.symbolCircle },
    { id: "general-purpose", name: "general-purpose", symbol: d3.symbolDiamond },
    { id: "", name: "no role given", symbol: d3.symbolSquare },
  ];
  const roleOf = (role) => ROLES.find((one) => one.id === role) || ROLES[2];
  const MOST_POINTS = 2000; // more are a cloud, and take seconds to draw

  const LABEL_WIDTH = 96; // pixels of a session's label, with the room around it

  // Shorten a name of an axis to so many characters.
  const cut = (text, most) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

  // What a point looks like: of a history by what kind of session it is, else by its role.
  const SESSIONS = {
    measured: { name: "measured by the reports of this page", symbol: d3.symbolCircle },
    stored: { name: "stored session", symbol: d3.symbolCircle },
    replaced: { name: "level that --energy-update replaced", symbol: d3.symbolDiamond },
  };
  const lookOf = (point) => {
    const { symbol, name } = SESSIONS[point.kind] || roleOf(point.role);
    const hollow = point.published || point.kind === "stored" || point.kind === "replaced";
    return { symbol, hollow, name: `${point.published ? "published, " : ""}${name}` };
  };
  const pathOf = (point, size) => d3.symbol().type(lookOf(point).symbol).size(size)();

  // A small picture of a symbol for the legend.
  const key = (point) => {
    const svg = d3.create("svg").attr("class", "key").attr("width", 16).attr("height", 16).attr("aria-hidden", "true");
    svg.append("path").attr("class", `mark ${lookOf(point).hollow ? "hollow" : "own"}`).attr("transform", "translate(8,8)").attr("d", pathOf(point, 64));
    return svg.node();
  };

  const legend = (points, extra) => {
    const looks = new Map(points.map((point) => [lookOf(point).name, point]));
    const names = [...looks.keys()].sort((a, b) => Number(a.startsWith("published")) - Number(b.startsWith("published")));
    return make("ul", { class: "legend", "aria-label": "Legend" },
      ...names.map((name) => make("li", {}, key(looks.get(name)), ` ${energy.sentence(name)}`)), ...extra.map((text) => make("li", {}, text)));
  };

  // A scale with a little room at both ends; of one value alone it is ten times as wide.
  const scaleOf = (values, log, range) => {
    let [low, high] = d3.extent(values);
    if (log) {
      if (low === high) [low, high] = [low / 3, high * 3];
      const room = Math.pow(high / low, 0.04);
      return d3.scaleLog().domain([low / room, high * room]).range(range);
    }
    if (low === high) [low, high] = [low - Math.abs(low || 1) * 0.1, high + Math.abs(high || 1) * 0.1];
    const room = (high - low) * 0.05;
    return d3.scaleLinear().domain([low - room, high + room]).range(range);
  };

  // Ticks that do not run into one another: of a logarithmic axis the powers of ten, and more where these are few.
  const axisOf = (axis, scale, count, format) => {
    if (!scale.base) return axis.ticks(count).tickFormat(format);
    const [low, high] = scale.domain();
    const decades = Math.log10(high / low);
    const steps = decades > 3 ? [1] : decades > 1 ? [1, 3] : [1, 1.5, 2, 3, 5, 7];
    const values = [];
    for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.log10(high); exponent += 1) {
      for (const step of steps) values.push(step * Math.pow(10, exponent));
    }
    let inside = values.filter((value) => value >= low && value <= high);
    while (inside.length > count) inside = inside.filter((_, i) => i % 2 === 0);
    if (inside.length < 2) inside = [low, high];
    return axis.tickValues(inside).tickFormat(format);
  };
  const short = (value) => {
    const [size, sign] = [[1e12, "T"], [1e9, "B"], [1e6, "M"]].find(([least]) => value >= least) || [1, ""];
    const rounded = Number((value / size).toPrecision(2));
    return `${rounded >= 1000 ? rounded.toLocaleString("en-US") : rounded}${sign && ` ${sign}`}`;
  };

  // What is drawn in a box, and again when the box has another width.
  const watch = (box, draw) => {
    let width = 0;
    if (box.observer) box.observer.disconnect();
    box.observer = new ResizeObserver(() => {
      const now = box.clientWidth;
      if (now > 0 && Math.abs(now - width) > 8) { width = now; draw(now); }
    });
    box.observer.observe(box);
    width = box.clientWidth;
    if (width > 0) draw(width);
  };

  // Arrow keys go from point to point; the status below says which it is.
  const gothrough = (svg, status) => {
    let at = -1;
    const points = () => [...svg.querySelectorAll(".point")];
    const show = (index) => {
      const all = points();
      if (!all.length) return;
      at = (index + all.length) % all.length;
      all.forEach((one, i) => one.classList.toggle("chosen", i === at));
      status.textContent = all[at].getAttribute("aria-label");
    };
    svg.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
      if (event.key in steps) show(at < 0 && steps[event.key] < 0 ? points().length - 1 : at + steps[event.key]);
      else if (event.key === "Home") show(0);
      else if (event.key === "End") show(points().length - 1);
      else return;
      event.preventDefault();
    });
    svg.addEventListener("pointerover", (event) => {
      const index = points().indexOf(event.target);
      if (index >= 0) show(index);
    });
  };

  // The frame of a chart: figure, legend, drawing, words, table.
  const frame = (box, chart, points, drawInto) => {
    const status = make("p", { class: "status", role: "status" }, "");
    const canvas = make("div", { class: "canvas" });
    const hint = make("p", { class: "fine" }, chart.hint || "");
    const rest = make("details", { ontoggle: () => { if (rest.children.length === 1) rest.append(chart.table()); } }, // made when asked for
      make("summary", {}, `The same as a table (${points.length.toLocaleString("en-US")} point${points.length === 1 ? "" : "s"})`));
    const figure = make("figure", { "aria-label": chart.title },
      make("figcaption", {}, chart.title), legend(points, chart.extra || []), canvas, status, hint, rest);
    box.replaceChildren(...(chart.controls || []), figure);
    watch(canvas, (width) => {
      canvas.replaceChildren();
      const svg = drawInto(canvas, width);
      svg.attr("role", "group").attr("tabindex", "0").attr("aria-label", `${chart.title}. Arrow keys go from point to point.`);
      gothrough(svg.node(), status);
    });
  };

  const nothing = (box, chart) => box.replaceChildren(...(chart.controls || []), make("p", { class: "empty" }, chart.empty));

  const labels = (svg, width, height, margin, x, y) => {
    svg.append("text").attr("class", "axis-label").attr("x", margin.left + (width - margin.left - margin.right) / 2).attr("y", height - 6).attr("text-anchor", "middle").text(x);
    if (y) svg.append("text").attr("class", "axis-label").attr("x", 4).attr("y", 14).text(y);
  };

  // A drawing in its canvas, and its axes with their lines across.
  const drawing = (canvas, width, height) => d3.select(canvas).append("svg").attr("width", width).attr("height", height);
  const bottomAxis = (svg, axis, height, margin) =>
    svg.append("g").attr("class", "axis").attr("transform", `translate(0,${height - margin.bottom})`).call(axis);
  const across = (axis, height, margin) => axis.tickSizeInner(-(height - margin.bottom - margin.top));
  const leftAxis = (svg, axis, width, margin) =>
    svg.append("g").attr("class", "axis").attr("transform", `translate(${margin.left},0)`).call(axis.tickSizeInner(-(width - margin.left - margin.right)));

  const drawPoints = (svg, points) => {
    const ordered = [...points].sort((a, b) => Number(lookOf(b).hollow) - Number(lookOf(a).hollow)); // one's own on top
    svg.append("g").selectAll("line").data(ordered.filter((point) => point.whisker)).enter().append("line")
      .attr("class", (point) => `whisker ${lookOf(point).hollow ? "hollow" : "own"}`)
      .attr("x1", (point) => point.whisker[0]).attr("y1", (point) => point.whisker[1])
      .attr("x2", (point) => point.whisker[2]).attr("y2", (point) => point.whisker[3]);
    svg.append("g").selectAll("path").data(ordered).enter().append("path")
      .attr("class", (point) => `mark point ${lookOf(point).hollow ? "hollow" : "own"}`).attr("role", "img")
      .attr("aria-label", (point) => point.words)
      .attr("transform", (point) => `translate(${point.px},${point.py})`).attr("d", (point) => pathOf(point, lookOf(point).hollow ? 44 : 72));
  };

  // Energy by task: one line for each task, one's own above, the published below.
  energy.tasksChart = (box, chart) => {
    const points = chart.points;
    if (!points.length) return nothing(box, chart);
    const totals = d3.nest().key((point) => point.task).rollup((of) => d3.median(of, (point) => point.value)).entries(points);
    const tasks = totals.sort((a, b) => a.value - b.value).map((one) => one.key);
    frame(box, chart, points, (canvas, width) => {
      const narrow = width < 560, lane = 16;
      const lanes = new Map();
      let top = 26;
      for (const task of tasks) {
        const own = points.some((point) => point.task === task && !point.published) ? 2 : 0;
        const published = points.some((point) => point.task === task && point.published) ? 2 : 0;
        lanes.set(task, { top: top + (narrow ? 16 : 0), own });
        top += (own + published) * lane + (narrow ? 28 : 14);
      }
      const margin = { top: 10, right: 16, bottom: 44, left: narrow ? 8 : 190 }, height = top + margin.bottom;
      const x = scaleOf(points.flatMap((point) => [point.value, ...(point.interval || [])].filter((value) => value > 0)), true, [margin.left, width - margin.right]);
      const svg = drawing(canvas, width, height);
      bottomAxis(svg, across(axisOf(d3.axisBottom(x), x, width / 80, short), height, margin), height, margin);
      const name = svg.append("g").selectAll("text").data(tasks).enter().append("text").attr("class", "task")
        .attr("y", (task) => lanes.get(task).top + (narrow ? -4 : 12)).attr("x", narrow ? margin.left : margin.left - 10).attr("text-anchor", narrow ? "start" : "end")
        .text((task) => cut(task || "(no task)", narrow ? 48 : 28));
      name.append("title").text((task) => task);
      for (const point of points) {
        const { top: begin, own } = lanes.get(point.task);
        const row = (point.published ? own : 0) + (point.role === "general-purpose" ? 1 : 0);
        point.px = x(point.value);
        point.py = begin + row * lane + lane / 2;
        point.whisker = point.interval && point.interval[0] > 0 ? [x(point.interval[0]), point.py, x(point.interval[1]), point.py] : null;
      }
      drawPoints(svg, points);
      labels(svg, width, height, margin, `${chart.unit}, logarithmic`, "");
      return svg;
    });
  };

  // Two figures against each other, with the frontier where there is one.
  energy.scatter = (box, chart) => {
    const points = chart.points;
    if (!points.length) return nothing(box, chart);
    frame(box, chart, points, (canvas, width) => {
      const margin = { top: 30, right: 20, bottom: 44, left: 64 }, height = Math.max(280, Math.min(460, width * 0.6));
      const x = scaleOf(points.map((point) => point.x), chart.logX, [margin.left, width - margin.right]);
      const y = scaleOf(points.map((point) => point.y), chart.logY, [height - margin.bottom, margin.top]);
      const svg = drawing(canvas, width, height);
      bottomAxis(svg, across(axisOf(d3.axisBottom(x), x, width / 80, short), height, margin), height, margin);
      leftAxis(svg, axisOf(d3.axisLeft(y), y, height / 40, short), width, margin);
      if (chart.frontier) {
        const path = d3.line().x((point) => x(point.x)).y((point) => y(point.y)).curve(d3.curveStepAfter);
        svg.append("path").attr("class", "frontier").attr("d", path(chart.frontier));
      }
      for (const point of points) { point.px = x(point.x); point.py = y(point.y); point.whisker = null; }
      drawPoints(svg, points);
      labels(svg, width, height, margin, chart.labelX, chart.labelY);
      return svg;
    });
  };

  // The history of one test: stored sessions and what was measured, the levels before, the limit.
  energy.historyChart = (box, chart) => {
    const { points, limit, levels } = chart;
    if (!points.length) return nothing(box, chart);
    frame(box, chart, points, (canvas, width) => {
      const marks = energy.labelsOf(points), lines = d3.max(marks, (one) => one.length);
      const margin = { top: 30, right: 20, bottom: 30 + 14 * lines, left: 64 }, height = 286 + 14 * lines;
      const values = [...points.map((point) => point.value), ...(limit ? [limit] : []), 0];
      const x = d3.scalePoint().domain(points.map((_, i) => i)).range([margin.left + 12, width - margin.right - 12]).padding(0.5);
      const y = d3.scaleLinear().domain([0, d3.max(values) * 1.08]).range([height - margin.bottom, margin.top]);
      const svg = drawing(canvas, width, height);
      const every = Math.ceil(LABEL_WIDTH / x.step());
      const shown = d3.range(points.length).filter((i) => i % every === 0);
      bottomAxis(svg, d3.axisBottom(x).tickValues(shown).tickFormat(""), height, margin)
        .selectAll(".tick text").data(shown).selectAll("tspan").data((i) => marks[i]).enter().append("tspan")
        .attr("x", 0).attr("dy", (_, line) => (line ? "1.1em" : "0.71em")).text((words) => cut(words, 12));
      leftAxis(svg, d3.axisLeft(y).ticks(6).tickFormat(short), width, margin);
      if (limit) {
        svg.append("line").attr("class", "limit").attr("x1", margin.left).attr("x2", width - margin.right).attr("y1", y(limit)).attr("y2", y(limit));
        svg.append("text").attr("class", "limit-label").attr("x", width - margin.right).attr("y", y(limit) - 5).attr("text-anchor", "end").text("limit");
      }
      for (const index of levels) {
        const at = x(index) - x.step() / 2;
        svg.append("line").attr("class", "update").attr("x1", at).attr("x2", at).attr("y1", margin.top).attr("y2", height - margin.bottom);
        svg.append("text").attr("class", "update-label").attr("x", at + 4).attr("y", margin.top + 8).text("update");
      }
      svg.append("path").attr("class", "line").attr("d", d3.line().x((_, i) => x(i)).y((point) => y(point.value))(points));
      points.forEach((point, i) => { point.px = x(i); point.py = y(point.value); point.whisker = null; });
      drawPoints(svg, points);
      labels(svg, width, height, margin, "Sessions, the oldest first; UTC", chart.unit);
      return svg;
    });
  };

  // As many as can be drawn, and the words for those that are not.
  energy.drawn = (points) => ({
    points: points.slice(0, MOST_POINTS),
    hint: points.length > MOST_POINTS ? `The first ${MOST_POINTS.toLocaleString("en-US")} of ${points.length.toLocaleString("en-US")} points are drawn: filter the results to see others.` : "",
  });
})();
