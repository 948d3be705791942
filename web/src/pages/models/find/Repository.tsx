/** A repository of the hub: what it has, which of its files fit, and the button that fetches one. */
import { ChevronRight, Download, Heart, Lock } from "lucide-react";
import { useState } from "react";

import { useRow } from "@/state";
import { Badge, Button, cn, format, Notice } from "@/ui";
import { fetchModel } from "../actions";
import { FitBadge } from "../fit/FitBadge";
import { PlanOptions } from "../fit/PlanOptions";
import { usePlan } from "../fit/usePlan";
import type { OfferedFile, OfferedModel } from "./useSearch";

export interface RepositoryProps {
  model: OfferedModel;
  hive: string;
  /** The first one shows its files at once. */
  first: boolean;
}

export function Repository({ model, hive, first }: RepositoryProps) {
  const [open, setOpen] = useState(first);
  const fitting = model.files.filter((file) => file.fits === "yes").length;
  return (
    <article className="overflow-hidden rounded-lg border bg-surface">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex w-full min-w-0 flex-wrap items-center gap-x-3 gap-y-1 px-3.5 py-2.5 text-left hover:bg-hover focus-visible:-outline-offset-2"
      >
        <ChevronRight
          className={cn("size-4 shrink-0 text-faint transition-transform", open && "rotate-90")}
          aria-hidden
        />
        <span className="min-w-0 flex-1 basis-48 truncate font-medium">{model.id}</span>
        {model.gated ? (
          <Badge tone="warn" title="Its owner lets in who has accepted its terms">
            <Lock className="size-3" aria-hidden /> gated
          </Badge>
        ) : null}
        <Badge tone={fitting > 0 ? "ok" : "neutral"}>
          {fitting > 0
            ? `${fitting} of ${model.files.length} fit ${hive}`
            : `${format.plural(model.files.length, "file")}`}
        </Badge>
        <span className="flex items-center gap-3 text-xs text-muted num">
          <span title="Size of its smallest and largest file">{range(model)}</span>
          <span className="inline-flex w-14 items-center gap-1" title="Downloads">
            <Download className="size-3" aria-hidden /> {format.short(model.downloads)}
          </span>
          <span className="inline-flex w-12 items-center gap-1" title="Likes">
            <Heart className="size-3" aria-hidden /> {format.short(model.likes)}
          </span>
        </span>
      </button>
      {open ? <Files model={model} hive={hive} /> : null}
    </article>
  );
}

function range(model: OfferedModel): string {
  const { size_bytes_min: least, size_bytes_max: most } = model;
  if (least === null || most === null || least === most) return format.bytes(least ?? most);
  return `${format.bytes(least)} – ${format.bytes(most)}`;
}

function Files({ model, hive }: { model: OfferedModel; hive: string }) {
  return (
    <div className="border-t">
      {model.gated ? (
        <Notice tone="warn" title="This repository is gated" className="m-3">
          Accept its terms on the hub with your account, make a token there that may read it, and give it to
          the hive: set <code className="font-mono text-xs">HF_TOKEN</code> in the environment of {hive} (or
          run <code className="font-mono text-xs">hf auth login</code> there) and restart the hive.
          {model.problem ? ` The hive says: ${model.problem}.` : null}
        </Notice>
      ) : model.problem ? (
        <Notice tone="warn" title={model.problem} className="m-3" />
      ) : null}
      {model.files.length === 0 && !model.problem ? (
        <p className="px-3.5 py-3 text-xs text-muted">It has no single GGUF file that could be fetched.</p>
      ) : null}
      {model.files.map((file) => (
        <FileRow key={file.path} repository={model.id} file={file} hive={hive} />
      ))}
    </div>
  );
}

function FileRow({ repository, file, hive }: { repository: string; file: OfferedFile; hive: string }) {
  const [shown, setShown] = useState(false);
  const id = `${repository}:${file.path}`;
  const here = useRow("models", `${hive}/${id}`)?.status === "available";
  const coming = useRow("downloads", `${hive}/${id}`);
  return (
    <div className="border-b last:border-b-0">
      <div className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-1.5 px-3.5 py-2">
        <span
          className="min-w-0 basis-full truncate font-mono text-xs sm:flex-1 sm:basis-52"
          title={file.path}
        >
          {file.path}
        </span>
        <span className="text-xs text-muted sm:w-20">{format.text(file.quantization)}</span>
        <span className="text-xs text-muted num sm:w-20 sm:text-right">{format.bytes(file.size_bytes)}</span>
        <span className="sm:w-20">
          <FitBadge fits={file.fits} reason={file.reason ?? null} />
        </span>
        <span className="flex w-52 justify-end gap-2 max-sm:w-full max-sm:justify-start">
          <Button size="sm" variant="ghost" aria-expanded={shown} onClick={() => setShown(!shown)}>
            Where it fits
          </Button>
          <Button
            size="sm"
            variant={file.fits === "yes" && !here && !coming ? "primary" : "secondary"}
            icon={<Download />}
            disabled={here || coming !== undefined}
            onClick={() => void fetchModel(id, hive)}
          >
            {here ? "On its disk" : coming ? coming.state : "Download"}
          </Button>
        </span>
      </div>
      {file.reason && file.fits !== "yes" ? (
        <p className="px-3.5 pb-2 text-xs text-muted">{file.reason}</p>
      ) : null}
      {shown ? <Everywhere id={id} /> : null}
    </div>
  );
}

/** The verdict for each device of each hive, by the file's header, which the queen has read. */
function Everywhere({ id }: { id: string }) {
  const { plan, problem } = usePlan(id);
  return (
    <div className="px-3.5 pb-3">
      {plan ? (
        <PlanOptions plan={plan} />
      ) : (
        <p className="text-xs text-muted">
          {problem ? `${problem.message} ${problem.remedy}` : "Reading its header …"}
        </p>
      )}
    </div>
  );
}
