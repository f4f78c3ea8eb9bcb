// Lets the address hold which trials are chosen, so that it can be shared.
(words, brush) => {
  const url = new URL(window.location);
  for (const name of ['trials', 'box', 'lasso']) url.searchParams.delete(name);
  if (brush && brush.box) url.searchParams.set('box', brush.box.join(':'));
  else if (brush && brush.lasso) {
    const [axis, scale, ...ends] = brush.lasso;
    url.searchParams.set('lasso', [axis, scale, ends.join('_')].join(':'));
  }
  else if (brush && words) url.searchParams.set('trials', words);
  window.history.replaceState(window.history.state, '', url);
  return window.dash_clientside.no_update;
}
