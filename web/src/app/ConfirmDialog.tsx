/** Shows the question of confirm(); loaded with the first one. */
import { AlertDialog as Radix } from "radix-ui";

import { Button } from "@/ui";

import { useQuestion } from "./confirm";

export function ConfirmDialog() {
  const { question, answer } = useQuestion();
  return (
    <Radix.Root open={question !== null} onOpenChange={(open) => open || answer(false)}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-50 bg-shade animate-fade" />
        <Radix.Content className="fixed inset-x-2 bottom-2 z-50 rounded-xl border border-line-strong bg-overlay p-4 shadow-pop animate-rise focus:outline-none sm:inset-x-auto sm:bottom-auto sm:left-1/2 sm:top-[18dvh] sm:w-[min(440px,94vw)] sm:-translate-x-1/2">
          <Radix.Title className="text-base font-semibold">{question?.title}</Radix.Title>
          <Radix.Description asChild>
            <div className="mt-1.5 text-muted">{question?.text}</div>
          </Radix.Description>
          <div className="mt-4 flex justify-end gap-2">
            <Radix.Cancel asChild>
              <Button>Cancel</Button>
            </Radix.Cancel>
            <Radix.Action asChild>
              <Button
                variant={question?.danger === false ? "primary" : "danger"}
                onClick={() => answer(true)}
              >
                {question?.action}
              </Button>
            </Radix.Action>
          </div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
