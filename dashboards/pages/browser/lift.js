// Takes the picture away once the page has its own figure, or will have none; what was done to it meanwhile stays.
title => {
  const find = () => document.getElementById('arrival');
  const lift = () => {
    const place = find();
    if (!place) return;
    const graph = document.querySelector(`[id*='"kind":"tradeoff"'] .js-plotly-plot:has(.main-svg)`);
    const isAwaited = /^\/study\/[^/]+$/.test(window.location.pathname) && document.getElementById('tabs');
    if (isAwaited && (!graph || place.isHeld)) return setTimeout(lift, 50);
    if (isAwaited) (place.done || []).forEach(again => again(graph));
    place.remove();
  };
  setTimeout(lift);
  setTimeout(() => find()?.remove(), 10000);
  return window.dash_clientside.no_update;
}
