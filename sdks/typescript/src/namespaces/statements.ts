import { answer, query, type Api } from "../api.js";
import type { RequestOptions } from "../transport.js";
import type { Insight, QueryOf, Statement, StatementFile, StatementPeriod } from "../types.js";

/** Statements: looking back at a wallet. */
export class Statements {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Return opening balance, lines, totals and closing balance of a period. Up to 10,000 lines:
   * rejects with `statement-too-long`, which says how far one statement reaches.
   */
  get(walletId: string, period: StatementPeriod, options?: RequestOptions): Promise<Statement> {
    return answer(
      this.#api.raw.GET("/wallets/{id}/statement", {
        params: { path: { id: walletId }, query: asked(period) },
        ...this.#api.with(options),
      }),
      // The other formats are text, and have to be asked for.
    ).then((answered) => answered as Statement);
  }

  /** Return a statement as a file: CSV, PDF, or camt.053, which bookkeeping software reads. */
  async download(
    walletId: string,
    period: StatementPeriod,
    format: "csv" | "pdf" | "camt.053",
    options?: RequestOptions,
  ): Promise<StatementFile> {
    const { data, response } = await this.#api.raw.GET("/wallets/{id}/statement", {
      params: { path: { id: walletId }, query: { ...asked(period), format } },
      parseAs: "arrayBuffer",
      ...this.#api.with(options),
    });
    const disposition = response.headers.get("content-disposition") ?? "";
    return {
      content: new Uint8Array(data ?? new ArrayBuffer(0)),
      mediaType: response.headers.get("content-type") ?? "application/octet-stream",
      fileName: /filename="([^"]+)"/.exec(disposition)?.[1],
    };
  }

  /** Return money in and out by month, kind and counterparty: the last six months, or others. */
  insights(
    walletId: string,
    months: QueryOf<"getInsights"> = {},
    options?: RequestOptions,
  ): Promise<Insight> {
    const params = { path: { id: walletId }, query: months };
    return answer(
      this.#api.raw.GET("/wallets/{id}/insights", { params, ...this.#api.with(options) }),
    );
  }
}

function asked(period: StatementPeriod): QueryOf<"getStatement"> {
  return query(period) as QueryOf<"getStatement">;
}
