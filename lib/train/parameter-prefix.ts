/** The prefix of all parameters that are not the backbone's, whatever the context calls them. */
export const contextPrefix = 'context';

/** Whether a prefix, as recipes give them, holds for a parameter. */
export const hasPrefix = (name: string, prefix: string): boolean =>
  prefix === contextPrefix ? !name.startsWith('backbone.') : name.startsWith(prefix);
