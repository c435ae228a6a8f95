// Names of files: keys within a container, parts separated by slashes.

/** The key of a name in a folder; "" is the container itself. */
export const keyIn = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);
