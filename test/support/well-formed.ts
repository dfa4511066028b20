import { expect } from 'chai';

const voidElements = new Set(['meta', 'img', 'br']);

const tag = /<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g;

/** Of a page, or a picture alone: tags must close what was opened last, attributes must be quoted. */
export function expectWellFormed(page: string): void {
  const open: string[] = [];
  const isPicture = page.startsWith('<svg');
  const text = page.replace(/^<!DOCTYPE html>/, '').replace(/<style>[^<]*<\/style>/, '');
  const rest = text.replaceAll(tag, (whole, slash, name, _, closesItself) => {
    if (slash) expect(open.pop(), whole).to.equal(name);
    else if (closesItself) expect(isPicture, whole).to.equal(true);
    else if (!voidElements.has(name)) open.push(name);
    return '';
  });
  expect(open).to.deep.equal([]);
  expect(rest).not.to.match(/[<>]/);
  expect(rest).not.to.match(/&(?!(amp|lt|gt|quot|#39);)/);
  expect(rest).not.to.match(/undefined|NaN|\[object/);
}
