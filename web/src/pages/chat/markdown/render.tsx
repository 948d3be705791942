/**
 * Tokens of Markdown as React elements.
 *
 * The rule it keeps: what a model writes is text. HTML in it is shown as written; links go only to
 * http, https and mailto, in a new tab that learns nothing of this one; an image is a link, since
 * loading it would tell a stranger's server that this chat is read.
 */
import { ExternalLink } from "lucide-react";
import type { Token, Tokens } from "marked";
import { createElement, Fragment, memo, type ReactNode } from "react";

import { Code } from "./Code";
import { decoded } from "./entities";
import type { MathToken } from "./grammar";
import { Maths } from "./Maths";

/** One block. Its token keeps its identity once it is finished, so it renders once. */
export const BlockView = memo(function BlockView({ token, open }: { token: Token; open: boolean }) {
  return <div className="md-block">{block(token, 0, open)}</div>;
});

function blocks(tokens: readonly Token[] | undefined): ReactNode {
  return tokens?.map((token, index) => block(token, index, false));
}

function block(token: Token, key: number, open: boolean): ReactNode {
  switch (token.type) {
    case "heading": {
      const { depth, tokens } = token as Tokens.Heading;
      // The page has an h1 and each answer an h2. Models begin with any level: none is left out.
      return createElement(
        `h${Math.max(3, Math.min(6, depth + 1))}`,
        { key, "data-depth": depth },
        inline(tokens),
      );
    }
    case "paragraph":
      return <p key={key}>{inline((token as Tokens.Paragraph).tokens)}</p>;
    case "code": {
      const { text, lang } = token as Tokens.Code;
      return <Code key={key} code={text} language={(lang ?? "").split(/[\s{:,]/, 1)[0] ?? ""} open={open} />;
    }
    case "list":
      return listView(token as Tokens.List, key);
    case "blockquote":
      return <blockquote key={key}>{blocks((token as Tokens.Blockquote).tokens)}</blockquote>;
    case "table":
      return tableView(token as Tokens.Table, key);
    case "hr":
      return <hr key={key} />;
    case "maths":
      return <Maths key={key} tex={(token as unknown as MathToken).tex} display />;
    case "space":
    case "def":
      return null;
    case "text": {
      const { tokens, text } = token as Tokens.Text;
      return <Fragment key={key}>{tokens ? inline(tokens) : decoded(text)}</Fragment>;
    }
    default:
      return <p key={key}>{token.raw.trim()}</p>;
  }
}

function listView(list: Tokens.List, key: number): ReactNode {
  const items = list.items.map((item, index) => (
    <li key={index} className={item.task ? "task" : undefined}>
      {item.task ? (
        <input
          type="checkbox"
          checked={item.checked ?? false}
          readOnly
          disabled
          aria-label={item.checked ? "done" : "to do"}
        />
      ) : null}
      {blocks(item.tokens.filter((token) => token.type !== "checkbox"))}
    </li>
  ));
  if (!list.ordered) return <ul key={key}>{items}</ul>;
  return (
    <ol key={key} start={list.start === "" ? 1 : list.start}>
      {items}
    </ol>
  );
}

function tableView(table: Tokens.Table, key: number): ReactNode {
  const cell = (content: Tokens.TableCell, index: number, name: "td" | "th") =>
    createElement(name, { key: index, "data-align": content.align ?? undefined }, inline(content.tokens));
  return (
    // A wide table is scrolled, by keys too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div key={key} className="md-table" tabIndex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>{table.header.map((content, index) => cell(content, index, "th"))}</tr>
        </thead>
        <tbody>
          {table.rows.map((row, at) => (
            <tr key={at}>{row.map((content, index) => cell(content, index, "td"))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: readonly Token[] | undefined): ReactNode {
  return tokens?.map((token, key) => {
    switch (token.type) {
      case "strong":
        return <strong key={key}>{inline((token as Tokens.Strong).tokens)}</strong>;
      case "em":
        return <em key={key}>{inline((token as Tokens.Em).tokens)}</em>;
      case "del":
        return <del key={key}>{inline((token as Tokens.Del).tokens)}</del>;
      case "codespan":
        return <code key={key}>{(token as Tokens.Codespan).text}</code>;
      case "br":
        return <br key={key} />;
      case "maths": {
        const { tex, display } = token as unknown as MathToken;
        return <Maths key={key} tex={tex} display={display} />;
      }
      case "link": {
        const { href, tokens: inner } = token as Tokens.Link;
        return linkView(href, inline(inner), key);
      }
      case "image": {
        const { href, text } = token as Tokens.Image;
        return linkView(href, imageText(href, text), key);
      }
      case "text": {
        const { tokens: inner, text } = token as Tokens.Text;
        return <Fragment key={key}>{inner ? inline(inner) : decoded(text)}</Fragment>;
      }
      case "escape":
        return <Fragment key={key}>{(token as Tokens.Escape).text}</Fragment>;
      default:
        return <Fragment key={key}>{token.raw}</Fragment>;
    }
  });
}

const OUTSIDE = /^(?:https?:\/\/|mailto:)/i;

function linkView(href: string, inner: ReactNode, key: number): ReactNode {
  if (!OUTSIDE.test(href)) return <Fragment key={key}>{inner}</Fragment>;
  return (
    <a key={key} href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>
      {inner}
    </a>
  );
}

function imageText(href: string, text: string): ReactNode {
  const host = /^https?:\/\/([^/]+)/i.exec(href)?.[1];
  return (
    <span className="md-image">
      <ExternalLink aria-hidden />
      {text || "Image"}
      {host ? <span> on {host}</span> : null}
    </span>
  );
}
