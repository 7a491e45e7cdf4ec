/** Lists that come in pages. */

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Where the next page begins; null on the last one. */
  readonly next_cursor?: string | null;
}

/**
 * A list of any length, of which pages are fetched as they are needed:
 *
 * ```ts
 * for await (const line of wallet.transactions.list()) console.log(line.display);
 * ```
 *
 * A page that is empty is not the end: a search for what is rare looks at a stretch at a time.
 * Every loop over it begins anew.
 */
export class Listing<
  Item,
  OnePage extends Page<Item> = Page<Item>,
> implements AsyncIterable<Item> {
  readonly #fetch: (cursor: string | undefined) => Promise<OnePage>;
  readonly #from: string | undefined;

  constructor(fetch: (cursor: string | undefined) => Promise<OnePage>, from?: string) {
    this.#fetch = fetch;
    this.#from = from;
  }

  /** Every item, page after page. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for await (const page of this.pages()) yield* page.items;
  }

  /** Every page; its `next_cursor` can be kept, and the list gone on with from there later. */
  async *pages(): AsyncGenerator<OnePage, void, undefined> {
    let cursor = this.#from;
    do {
      const page = await this.#fetch(cursor);
      yield page;
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** The first page alone. */
  first(): Promise<OnePage> {
    return this.#fetch(this.#from);
  }

  /** The first items as an array; a list can be longer than memory, so say how many at most. */
  async take(most: number): Promise<Item[]> {
    const items: Item[] = [];
    if (most <= 0) return items;
    for await (const item of this) {
      items.push(item);
      if (items.length >= most) break;
    }
    return items;
  }
}
