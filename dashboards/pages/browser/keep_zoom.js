// Puts a figure that was drawn anew in the place of one that was zoomed into. Dash writes a zoom into the figure,
// after which plotly no longer tells it from what was drawn, so that `uirevision` alone would let it go.
(fresh, shown) => {
  if (!fresh || fresh === shown) return window.dash_clientside.no_update;
  const before = (shown || {}).layout || {}, layout = {...fresh.layout};
  const ranges = {};
  for (const trace of (shown || {}).data || [])
    for (const own of trace.dimensions || []) if (own.constraintrange) ranges[own.label] = own.constraintrange;
  for (const trace of fresh.data)
    for (const own of trace.dimensions || []) if (ranges[own.label]) own.constraintrange = ranges[own.label];
  if (before.dragmode) layout.dragmode = before.dragmode;
  if (before.uirevision === layout.uirevision && before.selections) layout.selections = before.selections;
  if (before.uirevision === layout.uirevision)
    for (const [name, axis] of Object.entries(before))
      if (/^[xy]axis\d*$/.test(name) && axis.autorange === false && layout[name])
        layout[name] = {...layout[name], range: axis.range, autorange: false};
  return {...fresh, layout};
}
