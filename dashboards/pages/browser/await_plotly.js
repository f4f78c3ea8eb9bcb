// Lets a figure that is there before plotly wait for it: Dash, which finds none, would fetch and run one itself.
// Where it does not come, all of plotly is asked for, once.
(() => {
  let come;
  const awaited = new Promise(done => { come = done; });
  const put = own => {
    Object.defineProperty(window, 'Plotly', {value: own, writable: true, configurable: true});
    come();
  };
  Object.defineProperty(window, 'Plotly', {get: () => awaited, set: put, configurable: true});
  const again = ({target}) => {
    if (target.tagName !== 'SCRIPT' || !target.src.endsWith('$PART')) return;
    const script = document.createElement('script');
    script.src = '$WHOLE';
    document.body.append(script);
  };
  window.addEventListener('error', again, true);
})()
