/** Asks before what cannot be undone: `if (await confirm({title, text, action})) …`; one question at a time. */
import type { ReactNode } from "react";
import { create } from "zustand";

export interface Question {
  title: string;
  /** What will happen, and to what. */
  text: ReactNode;
  /** The verb on the button: "Stop worker". */
  action: string;
  /** False for a question about something harmless. */
  danger?: boolean;
}

interface Asked {
  question: Question | null;
  answer: (yes: boolean) => void;
}
export const useQuestion = create<Asked>(() => ({ question: null, answer: () => undefined }));

export function confirm(question: Question): Promise<boolean> {
  useQuestion.getState().answer(false);
  return new Promise((resolve) => {
    useQuestion.setState({
      question,
      answer: (yes) => {
        useQuestion.setState({ question: null, answer: () => undefined });
        resolve(yes);
      },
    });
  });
}
