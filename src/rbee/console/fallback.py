"""The pages for when there is no console to show: it was not built, or the name is a wrong one.

Self-contained: no script, no font, no image from anywhere. ``{base_url}`` is filled in by
``door``. They say nothing that a stranger may not know: the page is open to everyone.
"""

from typing import Final

_HEAD: Final = """<!doctype html>
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
"""

_END: Final = """</main>
</body>
</html>
"""

NOT_BUILT: Final = f"""{_HEAD}  <h1>Your colony is up</h1>
  <p>Its console is not built in this checkout. In its folder:</p>
  <pre tabindex="0"><code>make console</code></pre>
  <p class="soft">It needs Node 20.19 or newer, or fetches one for the build. Then load this
  page again. A package from <code>pip install</code> has the console inside.</p>

  <h2>Meanwhile, from the command line</h2>
  <pre tabindex="0"><code>rbee status
rbee top
rbee infer -m starter "Hello!"</code></pre>

  <h2>Base URL for OpenAI clients</h2>
  <pre tabindex="0"><code>{{base_url}}/v1</code></pre>

  <h2>Ask with curl</h2>
  <pre tabindex="0"><code>curl {{base_url}}/v1/chat/completions \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "starter", "stream": true,
       "messages": [{{"role": "user", "content": "Hello!"}}]}}'</code></pre>
{_END}"""

FORBIDDEN: Final = f"""{_HEAD}  <h1>Not under this name</h1>
  <p>This server does not answer to the host name that your browser asked for. That keeps
  pages of other sites from reaching it under a name of their own.</p>
  <p>Use <a href="{{base_url}}/">{{base_url}}</a> or an address of the machine. If the name is
  right, let its operator add it to <code>allowed_hosts</code> in <code>config.toml</code>.</p>
{_END}"""

NO_PAGE: Final = f"""{_HEAD}  <h1>{{title}}</h1>
  <p>{{message}}</p>
  <p class="soft">{{remedy}}</p>
  <p><a href="{{base_url}}/" target="_top">The console</a></p>
{_END}"""
"""For a worker's own page that cannot be shown."""
