// Sets the window's title, and tells figures and tables whether the page is dark or light, now and later.
title => {
  document.title = title;
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
