import { answer, type Api } from "../api.js";
import { Listing } from "../pages.js";
import type { RequestOptions } from "../transport.js";
import type { Checkpoint, CheckpointPage, ConsistencyProof, KeySet } from "../types.js";
import type { ListOptions } from "./transactions.js";

/** Proofs: the signed log that receipts are checked by. Needs nobody to be logged in. */
export class Proofs {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Signed checkpoints, the newest first. Keep one: history before it cannot change unseen. */
  checkpoints(options: ListOptions = {}): Listing<Checkpoint, CheckpointPage> {
    const { cursor: from, ...others } = options;
    return new Listing((cursor) => {
      const params = { query: { cursor: cursor ?? null } };
      return answer(
        this.#api.raw.GET("/proofs/checkpoints", { params, ...this.#api.with(others) }),
      );
    }, from);
  }

  /** Return the newest checkpoint. */
  latest(options?: RequestOptions): Promise<Checkpoint> {
    return answer(this.#api.raw.GET("/proofs/checkpoints/latest", this.#api.with(options)));
  }

  /** Return the checkpoint that was made when the log had this many leaves. */
  checkpoint(treeSize: number, options?: RequestOptions): Promise<Checkpoint> {
    const params = { path: { tree_size: treeSize } };
    return answer(
      this.#api.raw.GET("/proofs/checkpoints/{tree_size}", {
        params,
        ...this.#api.with(options),
      }),
    );
  }

  /** Return the proof that the log of `second` leaves begins with that of `first`. */
  consistency(
    first: number,
    second: number,
    options?: RequestOptions,
  ): Promise<ConsistencyProof> {
    const params = { query: { first, second } };
    return answer(
      this.#api.raw.GET("/proofs/consistency", { params, ...this.#api.with(options) }),
    );
  }

  /** Return the public keys of receipts and checkpoints (a JSON Web Key Set). */
  keys(options?: RequestOptions): Promise<KeySet> {
    return answer(this.#api.raw.GET("/proofs/keys", this.#api.with(options)));
  }
}
