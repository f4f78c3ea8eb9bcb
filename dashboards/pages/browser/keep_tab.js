// Lets the address lead to the tab that is looked at, without asking for the page anew.
tab => {
  const url = new URL(window.location);
  url.searchParams.set('tab', tab);
  if (tab) window.history.replaceState(window.history.state, '', url);
  return window.dash_clientside.no_update;
}
