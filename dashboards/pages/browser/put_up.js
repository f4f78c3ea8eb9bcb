// Puts a figure where there is none yet: the trade-off first, others once the browser has time. To begin with an empty
// one would take plotly as long again.
(fresh, shown, id, config) => {
  if (!fresh || (shown && shown.type === 'Graph')) return window.dash_clientside.no_update;
  const props = {id: {...id, part: 'graph'}, figure: fresh, config, style: {height: '100%'}};
  const graph = {namespace: 'dash_core_components', type: 'Graph', props};
  if (id.kind === 'tradeoff') return graph;
  const wait = window.requestIdleCallback || (then => setTimeout(then));  // Safari lacks the first
  return new Promise(done => wait(() => done(graph), {timeout: 1000}));
}
