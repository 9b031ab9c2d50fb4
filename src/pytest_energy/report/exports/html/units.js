// Units: joules per unit of work into what people read. Pure: no element of the page is touched.
"use strict";

const energy = {};

(() => {
  const JOULES_PER_KWH = 3.6e6; // 1,000 W for 3,600 s
  const GRAMS = "grams", JOULES = "joules", WATT_HOURS = "watt-hours", KWH = "kwh";

  // Each unit: how it is called, and what one joule per unit of work is in it.
  energy.UNITS = [
    { id: JOULES, name: "J", per: 1, factor: () => 1 },
    { id: WATT_HOURS, name: "Wh", per: 1, factor: () => 1 / 3600 },
    { id: KWH, name: "kWh", per: 1000, factor: () => 1000 / JOULES_PER_KWH },
    { id: GRAMS, name: "gCO2e", per: 1000, factor: (grid) => 1000 / JOULES_PER_KWH * grid.pue * grid.grams },
  ];

  energy.unitOf = (id) => energy.UNITS.find((unit) => unit.id === id);

  // A figure in joules per unit of work, in the unit that was chosen.
  energy.convert = (joules, unit, grid) => joules * unit.factor(grid);

  // `J per inference`, `kWh per 1,000 inferences`.
  energy.unitWords = (unit, work) =>
    unit.per === 1 ? `${unit.name} per ${work}` : `${unit.name} per 1,000 ${work}s`;

  // `2.00 J` and `per token` of one row; `kWh per 1,000` of a column with several kinds of work.
  energy.figureWords = (value, unit) => `${energy.significant(value)} ${unit.name}`;
  energy.perWords = (unit, work) => energy.unitWords(unit, work).slice(unit.name.length + 1);
  energy.columnWords = (unit) => (unit.per === 1 ? unit.name : `${unit.name} per 1,000`);

  // One format for each number of decimals: to make one takes longer than to use it a hundred times.
  const formats = new Map();
  const formatOf = (decimals) => {
    if (!formats.has(decimals)) {
      formats.set(decimals, new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }));
    }
    return formats.get(decimals);
  };

  // Three significant digits and no exponent from 0.0001 to a million, as in the terminal's report.
  energy.significant = (value, digits = 3) => {
    if (value === 0 || !Number.isFinite(value)) return String(value);
    const magnitude = Math.floor(Math.log10(Math.abs(Number(value.toExponential(digits - 1)))));
    if (magnitude <= -5 || magnitude >= 6) {
      const [number, exponent] = value.toExponential(digits - 1).split("e");
      const sign = exponent[0] === "-" ? "-" : "+";
      return `${number}e${sign}${exponent.slice(1).padStart(2, "0")}`;
    }
    const decimals = Math.max(0, digits - 1 - magnitude);
    return formatOf(decimals).format(value);
  };

  // A count as people say it: `1.57 million`.
  energy.count = (count) => {
    for (const [size, name] of [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]]) {
      if (count >= size * 0.9995) return `${energy.significant(count / size)} ${name}`;
    }
    return count < 100 ? energy.significant(count) : Math.round(count).toLocaleString("en-US");
  };

  // A number that was chosen, with every digit: `22 million`.
  energy.exactCount = (count) => {
    const [size, name] = [[1e12, " trillion"], [1e9, " billion"], [1e6, " million"]].find(([least]) => count >= least) || [1, ""];
    return `${(count / size).toLocaleString("en-US", { maximumFractionDigits: 6 })}${name}`;
  };

  const LEAST_PLAIN = 0.01, MOST_PLAIN = 10000; // between them a number is read at a glance

  // Of how many a thing is said, where each is so much of it: as many as were chosen, or so many thousands of
  // that, or fewer, that the number can be read.
  energy.readableCount = (each, chosen) => {
    if (!(each > 0)) return chosen;
    let count = chosen;
    while (each * count < LEAST_PLAIN) count *= 1000;
    return each * count < MOST_PLAIN ? count : [chosen, 1000, 1].find((fewer) => fewer <= chosen && each * fewer < MOST_PLAIN) || 1;
  };

  // `+14.8 %` of 0.148.
  energy.percent = (fraction) => {
    const percent = fraction * 100;
    const shown = Math.abs(percent) >= 999.95
      ? Math.round(percent).toLocaleString("en-US")
      : (Math.round(percent * 10) / 10 + 0).toFixed(1);
    return `${percent >= 0 && !shown.startsWith("-") ? "+" : ""}${shown} %`;
  };

  // A text of its own begins with a capital; what is the name of something (`--option`, `path/file`) stays as it is.
  energy.sentence = (text) => (/^[a-z]+(-[a-z]+)*([ ,:;.]|$)/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

  // A moment of a report (ISO 8601, UTC) in parts, the coarse first; what is no such moment is one part.
  const momentOf = (date) => {
    const found = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(:\d{2})?(?:\.\d+)?(?:Z|\+00:00)$/.exec(date);
    return found ? { day: found[1], minute: found[2], second: `${found[2]}${found[3] || ""}` } : { day: date, minute: "", second: "" };
  };

  // `2026-03-04 09:30 UTC`.
  energy.moment = (date) => {
    const { day, minute } = momentOf(date);
    return minute ? `${day} ${minute} UTC` : day;
  };

  // The lines by which each of several sessions is told from the others: its day, and where that is not enough its
  // minute, second or commit.
  energy.labelsOf = (sessions) => {
    const levels = sessions.map(({ date, commit }) => {
      const { day, minute, second } = momentOf(date);
      return [[day], [day, minute], [day, second], [day, second, commit]].map((lines) => lines.filter(Boolean));
    });
    const tallies = [0, 1, 2].map((level) => {
      const tally = new Map();
      for (const of of levels) tally.set(of[level].join(), (tally.get(of[level].join()) || 0) + 1);
      return tally;
    });
    return levels.map((of) => of[[0, 1, 2].find((level) => tallies[level].get(of[level].join()) === 1) ?? 3]);
  };

  // Days as people say them: `3.2 years`.
  energy.days = (days) => {
    if (!Number.isFinite(days)) return "never";
    if (days >= 730.5) return `${energy.count(days / 365.25)} years`;
    if (days >= 60) return `${energy.significant(days / 30.4375)} months`;
    if (days >= 2) return `${energy.significant(days)} days`;
    if (days >= 2 / 24) return `${energy.significant(days * 24)} hours`;
    if (days >= 2 / 1440) return `${energy.significant(days * 1440)} minutes`;
    return `${energy.significant(days * 86400)} seconds`;
  };

  // How many days so many queries a day take to use as much as a training.
  energy.breakEvenDays = (trainingJoules, joulesPerQuery, queriesPerDay) =>
    trainingJoules / (joulesPerQuery * queriesPerDay);

  // The best that there is for its energy: no other takes less and is as good. Sorted by energy.
  energy.frontier = (points) => {
    const sorted = [...points].sort((a, b) => a.joules - b.joules || b.quality - a.quality);
    let best = -Infinity;
    return sorted.filter((point) => point.quality > best && ((best = point.quality), true));
  };
})();
