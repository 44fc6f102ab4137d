// Series over time, to look at closely: drag to zoom, double click for all of it. It stands in the place of the
// drawing that the server made of the same figures; without this script, or in print, that drawing stays.
"use strict";
(() => {
  const plots = [];

  // The value of a custom property is still light-dark(…): the colour is that of an element which carries the class.
  function colours(place) {
    const style = (name) => {
      const probe = document.createElement("span");
      probe.className = name;
      place.append(probe);
      const colour = getComputedStyle(probe).color;
      probe.remove();
      return colour;
    };
    return { line: style("plot-line"), text: style("d"), grid: style("plot-grid") };
  }

  function words(unit) {
    const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
    return unit === "usd" ? (value) => dollars.format(value) : (value) => `${Number(value.toPrecision(3))}\u00a0s`;
  }

  const DAY = 86400;

  function moment(seconds) {
    const at = new Date(seconds * 1000);
    const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
    return seconds % DAY ? at.toISOString().slice(11, 16) : day.format(at);
  }

  function draw(figure) {
    const { x, y, unit, name, bars } = JSON.parse(figure.dataset.plot);
    const place = figure.querySelector(".plot");
    const paint = colours(place);
    const told = words(unit);
    const axis = { stroke: paint.text, grid: { stroke: paint.grid, width: 1 }, ticks: { stroke: paint.grid, width: 1 } };
    const step = x.length > 1 ? x[1] - x[0] : DAY;
    const side = bars ? step / 2 : 0; // half a bar stands before its moment
    const across = step < DAY ? axis : { ...axis, incrs: [1, 2, 7, 14, 30].map((days) => days * DAY) };
    place.replaceChildren();
    const made = new uPlot({
      width: figure.clientWidth,
      height: 200,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { range: (_plot, low, high) => [low - side, high + side] }, y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [{ ...across, values: (_plot, values) => values.map(moment) }, { ...axis, size: 64, values: (_plot, values) => values.map(told) }],
      series: [
        { label: "UTC", value: (_plot, value) => (value === null ? "" : moment(value)) },
        {
          label: name,
          stroke: paint.line,
          width: 2,
          paths: bars ? uPlot.paths.bars({ size: [0.6, 60] }) : undefined,
          fill: bars ? paint.line : undefined,
          points: { show: !bars },
          value: (_plot, value) => (value === null || value === undefined ? "" : told(value)),
        },
      ],
    }, [x, y], place);
    for (const canvas of place.querySelectorAll("canvas")) canvas.setAttribute("aria-hidden", "true");
    figure.classList.add("drawn");
    return { figure, made };
  }

  function again() {
    for (const each of plots) {
      each.made.destroy();
      each.made = draw(each.figure).made;
    }
  }

  for (const figure of document.querySelectorAll("figure[data-plot]")) {
    plots.push(draw(figure));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    for (const { figure, made } of plots) made.setSize({ width: figure.clientWidth, height: 200 });
  });
})();
