// Lets a figure that is there before plotly wait for it: Dash, which finds none, would fetch and run one itself.
//
// Pages get the part of plotly that draws lines, points, bars and shades. All of it comes where a figure needs more, or
// where that part did not come.
(() => {
  let come, whole;
  const awaited = new Promise(done => { come = done; });
  const put = own => {
    Object.defineProperty(window, 'Plotly', {value: own, writable: true, configurable: true});
    come();
  };
  Object.defineProperty(window, 'Plotly', {get: () => awaited, set: put, configurable: true});
  const fetchWhole = () => new Promise((done, fail) => {
    const script = document.createElement('script');
    script.src = '$WHOLE';
    script.onload = done;
    script.onerror = () => { whole = null; fail(new Error('plotly did not come')); };
    document.body.append(script);
  });
  window.wholePlotly = () => whole ??= fetchWhole();
  const again = ({target}) => {
    if (target.tagName === 'SCRIPT' && target.src.endsWith('$PART')) window.wholePlotly();
  };
  window.addEventListener('error', again, true);
})()
