/** Credentials of every party, none of which is any other party's business. */
export const SECRETS = {
  /** Of the shape that a known provider gives. */
  modelKey: 'sk-proj-zqsecret01model4f9a7c',
  /** Of no shape that tells it is a key. */
  opaqueKey: 'zqsecret02opaque4f9a7c1b',
  modelHeader: 'zqsecret03gateway4f9a7c1b',
  mlflowPassword: 'zqsecret04password4f9a',
  mlflowToken: 'zqsecret05token4f9a7c1b',
  mlflowHeader: 'zqsecret06header4f9a7c1b',
  otlpToken: 'zqsecret07otlp4f9a7c1b',
  otlpKey: 'zqsecret08otlpkey4f9a7c1b',
  webhookToken: 'zqsecret09webhook4f9a7c1b',
  /** In what programs are given and give, under a credential's name. */
  content: 'zqsecret10content4f9a7c1b',
} as const;

export type SecretName = keyof typeof SECRETS;

export const MLFLOW_USER = 'ann';

/** `Basic` holds user and password together. */
export const BASIC = Buffer.from(`${MLFLOW_USER}:${SECRETS.mlflowPassword}`).toString('base64');
