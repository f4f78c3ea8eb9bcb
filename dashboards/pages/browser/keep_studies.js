// Lets the address lead to the studies that are compared, without asking for the page anew.
names => {
  const url = new URL(window.location);
  url.searchParams.delete('study');
  (names || []).forEach(name => url.searchParams.append('study', name));
  window.history.replaceState(window.history.state, '', url);
  return window.dash_clientside.no_update;
}
