// Opens a tab once the script of what is in it has come; that of tables is fetched for the first one.
tab => {
  if (tab !== 'trials' || window.dash_ag_grid) return tab;
  const fetchGrid = () => new Promise((done, fail) => {
    const script = document.createElement('script');
    script.src = '$GRID';
    script.onload = done;
    script.onerror = () => fail(new Error('the script of tables did not come'));
    document.body.append(script);
  });
  return fetchGrid().then(() => tab);
}
