"""How it looks: only the terminal's own colours, and no ground but its own."""

from typing import Final

CSS: Final = """
Screen { background: ansi_default; color: ansi_default; }
#head { height: 1; padding: 0 1; }
#head #summary { width: 1fr; }
#head #standing { width: auto; margin: 0 0 0 2; }
#load { height: 1; padding: 0 1; }
#tabs { height: 1; padding: 0 1; margin: 1 0 0 0; }
RowTable { height: 1fr; padding: 0 1; background: ansi_default; scrollbar-size-vertical: 1;
           scrollbar-color: ansi_yellow; scrollbar-color-active: ansi_yellow;
           scrollbar-color-hover: ansi_yellow; scrollbar-background: ansi_default;
           scrollbar-background-hover: ansi_default; scrollbar-background-active: ansi_default;
           scrollbar-size-horizontal: 0; }
#empty { height: 1fr; padding: 1 1; display: none; }
#filter { height: 1; border: none; padding: 0 1; display: none; background: ansi_default; }
#keys { height: 1; padding: 0 1; }
ModalScreen { align: center middle; background: transparent; }
#box { width: 92%; max-width: 110; height: auto; max-height: 92%; border: round ansi_yellow;
       padding: 0 1; background: ansi_default; scrollbar-size-vertical: 1;
       scrollbar-color: ansi_yellow; scrollbar-background: ansi_default; }
#log { width: 100%; height: 100%; border: round ansi_yellow; background: ansi_default; }
#log RichLog { background: ansi_default; scrollbar-size-vertical: 1; padding: 0 1;
               scrollbar-color: ansi_yellow; scrollbar-background: ansi_default; }
#log-filter { height: 1; border: none; padding: 0 1; background: ansi_default; }
#confirm { width: 62; max-width: 96%; height: auto; border: round ansi_yellow; padding: 1 2;
           background: ansi_default; }
#confirm Static { width: 100%; margin: 0 0 1 0; }
Toast { background: ansi_default; border: round ansi_yellow; }
"""
