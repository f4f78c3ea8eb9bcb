// What pages draw with of plotly.js: lines and points, bars, shades, and parallel coordinates, these by code made before
// (`strict`), since a page allows no code that is made as it runs. `CREDITS.md` tells how `plotly-pages.min.js.br` is built.
const Plotly = require('plotly.js/lib/core');
Plotly.register([
  require('plotly.js/lib/bar'),
  require('plotly.js/lib/heatmap'),
  require('plotly.js/src/traces/parcoords/strict'),
]);
module.exports = Plotly;
