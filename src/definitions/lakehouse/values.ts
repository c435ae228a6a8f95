// Values of a lakehouse definition that an expression may stand for.
import { z } from 'zod';

/** Text that is not empty. */
export const text = z.string().min(1, 'must not be empty');

const expression = z
  .string()
  .regex(/^@/, 'must be a value or an expression that begins with "@"')
  .describe('An expression such as "@pipeline().parameters.size".');

/** A whole number between two bounds, or an expression for one. */
export const integer = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}, or an expression that begins with "@"`;
  return z.union([z.int({ error }).min(least, { error }).max(most, { error }), expression], { error });
};

/** true, false, or an expression for one of them. */
export const flag = z.union([z.boolean(), expression], { error: 'must be true, false or an expression' });

/** `s3://bucket/prefix` without a slash at the end; parts of it may be expressions. */
export const uri = z
  .string()
  .regex(
    /^(s3:\/\/[^/]+(\/.*[^/])?|@.*)$/s,
    'must be an address such as s3://bucket/prefix, without "/" at the end',
  );
