// Makes a choice of what is told of a figure; a double click tells that nothing is chosen.
(chosen, restyled, clicks, before) => {
  const {no_update, callback_context: context} = window.dash_clientside;
  const [trigger] = context.triggered;
  if (!trigger || trigger.value === undefined) return no_update;
  const find = kind => document.querySelector(`[id*='"kind":"${kind}"'] .js-plotly-plot`);
  if (trigger.prop_id.includes('"clear"')) {
    if (!trigger.value) return no_update;
    setTimeout(() => {  // what plotly tells of this asks here again, which would make this answer an old one
      const graph = find('tradeoff'), lines = find('parallel');
      if (graph) {
        window.Plotly.restyle(graph, {selectedpoints: [null]});
        window.Plotly.relayout(graph, {selections: []});
      }
      if (lines && lines.data[0].dimensions)
        lines.data[0].dimensions.forEach((_, at) =>
          window.Plotly.restyle(lines, {[`dimensions[${at}].constraintrange`]: null}));
    }, 100);
    return null;
  }
  if (trigger.prop_id.includes('restyleData')) {
    const lines = find('parallel');
    if (!lines || !lines.data[0].dimensions) return no_update;
    const [{dimensions, customdata}] = lines.data;
    const bound = dimensions.filter(own => own.constraintrange);
    if (!bound.length) return before && before.origin === 'parallel' ? null : no_update;
    const inside = (own, at) => {
      const ranges = Array.isArray(own.constraintrange[0]) ? own.constraintrange : [own.constraintrange];
      return ranges.some(([low, high]) => low <= own.values[at] && own.values[at] <= high);
    };
    const trials = Array.from(customdata).filter((_, at) => bound.every(own => inside(own, at)));
    return {origin: 'parallel', trials: trials.map(Number)};
  }
  const told = trigger.value;
  if (!trigger.prop_id.includes('"tradeoff"')) return no_update;
  const nothing = before && before.origin === 'tradeoff' ? null : no_update;  // a figure that comes has none either
  if (!told) return nothing;
  const graph = find('tradeoff'), {axis, scale, most} = (graph && graph.layout.meta) || {};
  if (axis) {
    const drawn = graph.layout.selections || [], last = drawn[drawn.length - 1];
    if (drawn.length > 1) setTimeout(() => window.Plotly.relayout(graph, {selections: [last]}));  // one holds
    const round = end => +(+end).toPrecision(6);
    let x, y, isBox = true;
    if (told.range && told.range.x) ({x, y} = told.range);
    else if (told.lassoPoints && told.lassoPoints.x) [{x, y}, isBox] = [told.lassoPoints, false];
    else if (!last) return nothing;
    else if (last.type === 'rect') [x, y] = [[last.x0, last.x1], [last.y0, last.y1]];  // it was moved
    else {
      const places = last.path.slice(1, -1).split('L').map(place => place.split(','));
      [x, y, isBox] = [places.map(place => place[0]), places.map(place => place[1]), false];
    }
    [x, y] = [x.map(round), y.map(round)];
    const isKept = told => before && JSON.stringify(before.box || before.lasso) === JSON.stringify(told);
    if (isBox) {
      const box = [axis, Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)];
      return isKept(box) ? no_update : {origin: 'tradeoff', box};
    }
    const corners = x.map((one, at) => [one, y[at]]);
    const place = ([x, y]) => [scale === 'log' ? Math.log(x) : x, y];
    const bend = (_, at) => {  // twice the triangle with the corners beside it: least where the edge is straight
      const count = corners.length, beside = [at + count - 1, at, at + 1].map(one => place(corners[one % count]));
      const [[x0, y0], [x1, y1], [x2, y2]] = beside;
      return Math.abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0));
    };
    while (corners.length > most) {
      const bends = corners.map(bend);
      corners.splice(bends.indexOf(Math.min(...bends)), 1);
    }
    const lasso = [axis, scale, ...corners.flat()];
    return isKept(lasso) ? no_update : {origin: 'tradeoff', lasso};
  }
  if (!told.points) return no_update;
  if (!told.points.length && !told.range && !told.lassoPoints) return nothing;  // what was drawn is taken away
  const trials = told.points.map(point => point.customdata).filter(number => Number.isInteger(number));
  return {origin: 'tradeoff', trials: [...new Set(trials)]};
}
