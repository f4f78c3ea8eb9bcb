// Opens a tab once it is about to be in sight, or at once where the address asks for it, and once the script of what is
// in it has come; that of tables is fetched for the first one.
tab => {
  const seen = () => new Promise(done => {
    const watch = new IntersectionObserver(found => {
      if (!found.some(one => one.isIntersecting)) return;
      watch.disconnect();
      done();
    }, {rootMargin: '100px'});
    watch.observe(document.getElementById('tab'));
  });
  const fetchGrid = () => new Promise((done, fail) => {
    const script = document.createElement('script');
    script.src = '$GRID';
    script.onload = done;
    script.onerror = () => fail(new Error('the script of tables did not come'));
    document.body.append(script);
  });
  const isAsked = new URLSearchParams(window.location.search).has('tab');
  const ready = isAsked ? Promise.resolve() : seen();
  return ready.then(() => tab !== 'trials' || window.dash_ag_grid || fetchGrid()).then(() => tab);
}
