"use strict";
/* Draws every canvas with data-chart from the JSON beside it, in the colours of the page. */
(() => {
  const FORMATS = {
    dollars: (value) => `$${value >= 1000 ? `${+(value / 1000).toPrecision(3)}k` : Math.round(value)}`,
    percent: (value) => `${+value.toFixed(1)} %`,
    share: (value) => `${+(100 * value).toFixed(1)} %`,
    number: (value) => `${+value.toPrecision(4)}`,
  };
  const TONES = { live: "--live", candidate: "--candidate", good: "--good", bad: "--bad", quiet: "--quiet", strong: "--text" };
  const FEW_POINTS = 60;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const faint = (tone, share) => `color-mix(in srgb, ${tone} ${share}%, transparent)`;
  const told = (axis, value) => (FORMATS[axis.format] || FORMATS.number)(Number(value));

  function dataset(series, byLabel) {
    const tone = colour(TONES[series.tone] || "--text");
    const data = byLabel ? series.data : series.data.map(([x, y]) => ({ x, y }));
    const line = { label: series.name, data, borderColor: tone, backgroundColor: tone, pointRadius: 0, borderWidth: 2 };
    switch (series.style) {
      case "points":
        return { ...line, type: "scatter", pointRadius: 2.2, pointHoverRadius: 4, borderWidth: 0, pointBackgroundColor: faint(tone, 45), order: 1 };
      case "bar":
        return { ...line, type: "bar", backgroundColor: faint(tone, 75), borderWidth: 0, maxBarThickness: 28 };
      case "dashed":
        return { ...line, type: "line", borderDash: [6, 5], borderWidth: 1.5, pointHitRadius: 0 };
      case "upper":
        return { ...line, type: "line", borderWidth: 1, borderColor: faint(tone, 40), backgroundColor: faint(tone, 15), fill: "+1" };
      case "lower":
        return { ...line, type: "line", borderWidth: 1, borderColor: faint(tone, 40) };
      default:
        return { ...line, type: "line", pointRadius: data.length < FEW_POINTS ? 2 : 0, tension: 0 };
    }
  }

  function scale(axis) {
    const quiet = colour("--quiet");
    const shown = {
      title: { display: true, text: axis.title, color: quiet },
      grid: { color: faint(colour("--border"), 70) },
      border: { color: colour("--border") },
      ticks: { color: quiet, maxRotation: 0, autoSkipPadding: axis.labels ? 14 : 4 },
    };
    if (axis.labels) return { ...shown, type: "category", labels: axis.labels };
    shown.ticks.callback = (value) => told(axis, value);
    if (!axis.log) return { ...shown, type: "linear" };
    // Of a logarithmic scale's ticks those that a person would choose.
    const round = (value) => /^[125]/.test(String(value));
    return { ...shown, type: "logarithmic", ticks: { ...shown.ticks, callback: (value) => (round(value) ? told(axis, value) : "") } };
  }

  function options(chart) {
    const value = chart.sideways ? chart.x : chart.y;
    const points = chart.series.some((series) => series.style === "points");
    const scales = { x: scale(chart.x), y: scale(chart.y) };
    if (chart.sideways) scales.y.ticks.autoSkip = false;
    return {
      animation: false,
      maintainAspectRatio: false,
      indexAxis: chart.sideways ? "y" : "x",
      interaction: points ? { mode: "nearest", intersect: true } : { mode: "index", intersect: false, axis: chart.sideways ? "y" : "x" },
      scales,
      plugins: {
        legend: {
          display: chart.series.length > 1, position: "bottom",
          labels: {
            color: colour("--text"), boxWidth: 18, boxHeight: 2, padding: 14,
            filter: ({ datasetIndex }) => chart.series[datasetIndex].style !== "lower",
          },
        },
        tooltip: {
          callbacks: {
            label: ({ dataset: { label }, parsed, raw }) => points && raw && raw.x !== undefined
              ? `${told(chart.x, parsed.x)}, ${told(chart.y, parsed.y)}`
              : `${label}: ${told(value, chart.sideways ? parsed.x : parsed.y)}`,
          },
        },
      },
    };
  }

  function draw(canvas) {
    const chart = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
    const byLabel = Boolean(chart.x.labels || chart.y.labels);
    const labels = chart.x.labels || chart.y.labels;
    if (chart.sideways && labels.length > 10) canvas.parentElement.classList.add("tall");
    return new Chart(canvas, {
      type: "scatter",
      data: { labels, datasets: chart.series.map((series) => dataset(series, byLabel)) },
      options: options(chart),
    });
  }

  let drawn = [];
  function all() {
    drawn.forEach((chart) => chart.destroy());
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    drawn = Array.from(document.querySelectorAll("canvas[data-chart]"), draw);
  }
  document.documentElement.classList.add("drawn");
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  document.documentElement.dataset.charts = String(drawn.length);
})();
