// Begins the scripts of a page that has a picture: plotly first, so that the picture becomes the figure itself, which can
// be used while the rest of the page comes.
//
// Nothing begins before the picture is painted, or soon in a tab that nobody sees: what the browser keeps would run first.
(() => {
  const place = document.getElementById('arrival');
  const read = () => {
    try {
      return localStorage.getItem('mantine-color-scheme-value');
    } catch {  // a browser may keep nothing
      return null;
    }
  };
  const stored = read();
  const isDark = stored === 'dark' || (stored !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  place.dataset.scheme = isDark ? 'dark' : 'light';

  const painted = () => new Promise(done => {
    requestAnimationFrame(() => setTimeout(done));
    setTimeout(done, 200);
  });
  const add = old => new Promise(done => {
    const own = document.createElement('script');
    for (const {name, value} of old.attributes) own.setAttribute(name, value);
    own.text = old.text;
    own.async = false;
    own.onload = own.onerror = done;
    document.body.append(own);
    if (!own.src) done();
  });
  const fetchFigure = async () => {
    const search = new URLSearchParams(location.search);
    search.set('scheme', place.dataset.scheme);
    const answer = await fetch(`${location.pathname}/tradeoff?${search}`);
    return answer.ok ? answer.json() : null;
  };
  // It is kept for the page, and what is done to it is noted, to be done to the figure of the page as well.
  const draw = async told => {
    const figure = structuredClone(told.parts.fresh.data);  // plotly writes into what it draws
    const picture = place.querySelector('svg'), holder = document.createElement('div');
    picture.before(holder);
    await Plotly.newPlot(holder, figure.data, figure.layout, told.config);
    picture.remove();
    place.parts = told.parts;
    place.done = [];
    holder.on('plotly_relayout', how => 'autosize' in how || place.done.push(graph => Plotly.relayout(graph, how)));
    holder.on('plotly_restyle', how => place.done.push(graph => Plotly.restyle(graph, ...how)));
    holder.addEventListener('pointerdown', () => { place.isHeld = true; }, true);
    window.addEventListener('pointerup', () => { place.isHeld = false; }, true);
  };

  const begin = async () => {
    await painted();
    const all = [...document.getElementById('later').content.querySelectorAll('script')];
    const isData = old => old.type === 'application/json';
    const files = all.filter(old => old.src && !old.defer), drawing = all.filter(old => old.defer);
    const figure = fetchFigure().catch(() => null);
    await add(drawing.pop());
    const told = await figure;
    if (told && window.Plotly.newPlot) await draw(told).then(painted, fault => console.error(fault));
    all.filter(isData).forEach(old => document.body.append(old));
    await Promise.all(files.map(add));
    [...all.filter(old => !old.src && !isData(old)), ...drawing].forEach(add);
  };
  begin();
})()
