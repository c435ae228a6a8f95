// Where secrets are kept, and how they are named there.

/** A secret by name. Never its value: this may stand in messages. */
export type SecretReference =
  | {
      readonly store: 'keyVault';
      /** Name of the AzureKeyVault linked service, or the vault's https address. */
      readonly vault: string;
      readonly secret: string;
      readonly version: string | undefined;
    }
  | {
      readonly store: 'aws';
      /** Name or ARN in AWS Secrets Manager. */
      readonly secret: string;
      /** Field of a secret that is a JSON object; without it the whole text is the secret. */
      readonly key: string | undefined;
      readonly region: string | undefined;
    };

/** "the secret "sql-password" in the Key Vault "ls_keyvault"". */
export const describeReference = (reference: SecretReference): string =>
  reference.store === 'keyVault'
    ? `the secret "${reference.secret}" in the Key Vault "${reference.vault}"`
    : `${reference.key === undefined ? '' : `"${reference.key}" of `}the secret "${reference.secret}" in AWS Secrets Manager`;
