"""The interactive page: HTML and style, with three slots marked @@ for the title, the data (JSON) and the script."""

PAGE = r"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>@@</title>
<style>
html, body { margin: 0; height: 100%; overflow: hidden; background: #f1f3f6; color: #1c222b; font: 14px/1.35 system-ui, sans-serif; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; cursor: grab; }
.card { position: absolute; background: #fffffff0; border-radius: 10px; box-shadow: 0 1px 6px #0003; padding: 10px 12px; }
#panel { top: 12px; left: 12px; width: 300px; max-width: calc(100% - 160px); }
#legend { top: 12px; right: 12px; max-height: calc(100% - 60px); overflow: auto; }
h1 { font-size: 15px; margin: 0 0 2px; overflow-wrap: anywhere; }
small { color: #5b6472; display: block; margin-bottom: 8px; }
#legend small { margin: 0 0 3px; font-size: 12px; }
#notes { max-height: 20vh; overflow: auto; margin-bottom: 6px; }
#notes p { color: #8a5a00; font-size: 12px; margin: 0 0 4px; overflow-wrap: anywhere; }
button { font: inherit; border: 1px solid #c9cfd8; background: #fff; color: inherit; border-radius: 6px; padding: 3px 9px; margin: 0 4px 5px 0; cursor: pointer; }
button.on { background: #22406e; border-color: #22406e; color: #fff; }
label { display: grid; grid-template-columns: 84px 1fr 54px; gap: 6px; align-items: center; margin-top: 3px; white-space: nowrap; }
input { width: 100%; margin: 0; }
#legend div { display: flex; align-items: center; gap: 7px; padding: 1px 0; }
#legend div.class { cursor: pointer; }
#legend div.off { opacity: .35; text-decoration: line-through; }
#legend i { width: 13px; height: 13px; border-radius: 3px; box-shadow: inset 0 0 0 1px #0003; }
#tip { pointer-events: none; padding: 5px 9px; white-space: pre; display: none; }
#help { bottom: 10px; left: 12px; padding: 4px 9px; color: #5b6472; font-size: 12px; }
.touch { display: none; }
@media (max-width: 640px) { .mouse { display: none; } .touch { display: inline; } label { grid-template-columns: 1fr; gap: 0; } output { display: none; } #legend { top: auto; bottom: 62px; max-height: 30%; } #panel { max-width: calc(100% - 48px); } }
</style>
</head>
<body>
<canvas id="canvas"></canvas>
<div id="panel" class="card"><h1 id="name"></h1><small id="about"></small><div id="notes"></div><div id="layers"></div>
<label>point size<input id="size" type="range" min="0.3" max="4" step="0.05" value="1"><output></output></label>
<label>height cut<input id="cut" type="range" min="0" max="1" step="any"><output></output></label></div>
<div id="legend" class="card"></div>
<div id="help" class="card"><span class="mouse">point at a spot: its class, x, y, z and number in the file (from 0) · click a class in the list: hide it<br>
drag: turn · right or shift drag: move · wheel: zoom · 1-9: layer · R: start view</span><span class="touch">tap a spot: its class and place · tap a class: hide it<br>
drag: turn · two fingers: move, zoom</span></div>
<div id="tip" class="card"></div>
<script id="data" type="application/json">@@</script>
<script>
"use strict";
@@</script>
</body>
</html>
"""
