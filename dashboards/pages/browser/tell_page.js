// Sets the window's title, gives the page the figure that was there before it, and tells figures and tables whether the
// page is dark or light, now and later. They are asked for once they know that, so what is given is not sent again; Dash
// shows it as that is answered.
title => {
  document.title = title;
  const place = document.getElementById('arrival') || {}, isStudy = document.getElementById('tabs');
  for (const [part, props] of Object.entries((isStudy && place.parts) || {}))
    window.dash_clientside.set_props({part, kind: 'tradeoff'}, props);
  delete place.parts;
  const root = document.documentElement, now = () => root.dataset.mantineColorScheme || 'light';
  const tell = () => {
    document.body.dataset.agThemeMode = now();
    window.dash_clientside.set_props('scheme', {data: now()});
  };
  if (!window.isPaletteWatched) {
    window.isPaletteWatched = true;
    new MutationObserver(tell).observe(root, {attributes: true, attributeFilter: ['data-mantine-color-scheme']});
  }
  document.body.dataset.agThemeMode = now();
  return now();
}
