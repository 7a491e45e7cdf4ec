// How both pages begin: styles, the address, and the cache of what the API has answered.
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Component, StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { Problem } from "../api/client";
import "../design/fonts.css";
import "../design/tokens.css";
import "../design/base.css";
import "../design/parts.css";
import { startRouter } from "./router";
import { Failure, Toasts } from "./ui";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What is wrong with the request stays wrong; what is wrong with the line may pass.
      retry: (count, error) =>
        count < 3 && error instanceof Problem && (error.status === 0 || error.status >= 500),
      retryDelay: (count) => 500 * 2 ** count,
      refetchOnWindowFocus: "always",
      refetchOnReconnect: "always",
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

/** Let nothing become markup but the empty text, by which ECharts clears its place. */
function trustNothing(): void {
  const types = (window as { trustedTypes?: { createPolicy(name: string, rules: object): unknown } }).trustedTypes;
  types?.createPolicy("default", { createHTML: (text: string) => (text === "" ? "" : null) });
}

/** What nobody foresaw is told, instead of leaving an empty page. */
class Net extends Component<{ children: ReactNode }, { problem: unknown }> {
  override state = { problem: null };

  static getDerivedStateFromError(problem: unknown) {
    return { problem };
  }

  override render() {
    if (this.state.problem === null) return this.props.children;
    return <Failure problem={this.state.problem} retry={() => location.reload()} />;
  }
}

export function start(page: string, content: ReactNode): void {
  trustNothing();
  startRouter(page);
  const root = document.getElementById("root");
  if (root === null) throw new Error("the page has no root");
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Net>{content}</Net>
        <Toasts />
      </QueryClientProvider>
    </StrictMode>,
  );
}
