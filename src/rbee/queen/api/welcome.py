"""The page at ``/`` until the console comes: how to use this endpoint, in one screen.

Self-contained: no script, no font, no image from anywhere. ``{base_url}`` and
``{version}`` are filled in by ``control``.
"""

from typing import Final

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>rbee</title>
<style>
  :root { color-scheme: light dark; --ink: #1b1a17; --soft: #5c574d; --paper: #fdfbf6;
          --box: #f3eee2; --line: #ddd4c0; --accent: #9a5b00; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #f0ebe0; --soft: #b3aa98; --paper: #191713; --box: #24211b;
            --line: #3b362c; --accent: #f2b544; } }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--paper); color: var(--ink);
         font: 16px/1.55 system-ui, sans-serif; }
  main { max-width: 46rem; margin: 0 auto; padding: 2.5rem 1.25rem 3rem; }
  h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
  h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
  p { margin: .5rem 0; }
  .soft { color: var(--soft); }
  a { color: var(--accent); }
  code { font: .875rem/1.5 ui-monospace, monospace; }
  @media (max-width: 30rem) { code { font-size: .75rem; } pre { padding: .7rem .75rem; } }
  pre { margin: .5rem 0; padding: .8rem 1rem; background: var(--box); overflow-x: auto;
        border: 1px solid var(--line); border-radius: .5rem; }
</style>
</head>
<body>
<main>
  <h1>Your colony is up</h1>
  <p class="soft">rbee {version}. The console comes later; everything else is here.</p>

  <h2>Base URL for OpenAI clients</h2>
  <pre tabindex="0"><code>{base_url}/v1</code></pre>

  <h2>Ask with curl</h2>
  <pre tabindex="0"><code>curl {base_url}/v1/chat/completions \\
  -H "Content-Type: application/json" \\
  -d '{"model": "starter", "stream": true,
       "messages": [{"role": "user", "content": "Hello!"}]}'</code></pre>

  <h2>Ask with the openai package</h2>
  <pre tabindex="0"><code>from openai import OpenAI

client = OpenAI(
    base_url="{base_url}/v1",
    api_key="none",  # or the colony's key
)
stream = client.chat.completions.create(
    model="starter",
    messages=[{"role": "user", "content": "Hello!"}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)</code></pre>

  <h2>Ask from the command line</h2>
  <pre tabindex="0"><code>rbee infer -m starter "Hello!"
rbee status</code></pre>

  <p class="soft">Look closer: <a href="/v1/models">models</a>,
  <a href="/v1/info">this server</a>, <a href="/v1/jobs">jobs</a>.</p>
</main>
</body>
</html>
"""
