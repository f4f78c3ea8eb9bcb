// Opens a tab once it is about to be in sight, and the script of what is in it has come; that of tables is fetched for
// the first one.
tab => {
  const place = document.getElementById('tab');
  const near = new Promise(done => {
    const watch = new IntersectionObserver(seen => {
      if (!seen.some(one => one.isIntersecting)) return;
      watch.disconnect();
      done();
    }, {rootMargin: '300px'});
    watch.observe(place);
  });
  const fetchGrid = () => new Promise((done, fail) => {
    const script = document.createElement('script');
    script.src = '$GRID';
    script.onload = done;
    script.onerror = () => fail(new Error('the script of tables did not come'));
    document.body.append(script);
  });
  return near.then(() => tab !== 'trials' || window.dash_ag_grid || fetchGrid()).then(() => tab);
}
