import { describe, expect, it } from 'vitest';
import { routeTo } from '../../src/server/proxy.js';

const PROBLEM = 'is not the address of a proxy; write http://proxy.host:port, or unset it';
const to = (target: string, env: Record<string, string>) => routeTo(new URL(target), env);

describe('the proxy for an address', () => {
  it.each([
    ['http://h', {}, undefined],
    ['http://h', { HTTP_PROXY: 'http://p:1' }, 'http://p:1/'],
    ['http://h', { HTTP_PROXY: 'http://P:1', http_proxy: 'http://p:2' }, 'http://p:2/'],
    ['http://h', { HTTP_PROXY: 'http://p:1', http_proxy: '' }, undefined],
    ['http://h', { HTTP_PROXY: ' ' }, undefined],
    ['http://h', { HTTPS_PROXY: 'http://p:1' }, undefined],
    ['https://h', { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://p:2' }, 'http://p:1/'],
    ['https://h', { HTTP_PROXY: 'http://p:2' }, 'http://p:2/'],
    ['https://h', { HTTPS_PROXY: '', HTTP_PROXY: 'http://p:2' }, 'http://p:2/'],
    ['http://h', { HTTP_PROXY: 'socks5://p:1' }, 'socks5://p:1'],
    // As curl has it.
    ['http://h', { HTTP_PROXY: 'proxy.corp:8080' }, 'http://proxy.corp:8080/'],
    ['http://h', { HTTP_PROXY: 'u:pw@proxy.corp:8080' }, 'http://u:pw@proxy.corp:8080/'],
    ['http://h', { HTTP_PROXY: '10.0.0.1:8080' }, 'http://10.0.0.1:8080/'],
  ])('%s with %j', (target, env, proxy) => {
    expect(to(target, env as Record<string, string>)).toEqual(proxy === undefined ? {} : { proxy });
  });

  it.each([
    ['http://h', { HTTP_PROXY: 'ftp://p:1' }, 'HTTP_PROXY'],
    ['http://h', { http_proxy: 'http://' }, 'http_proxy'],
    ['http://h', { HTTP_PROXY: 'not a host' }, 'HTTP_PROXY'],
    ['https://h', { HTTPS_PROXY: 'p:99999' }, 'HTTPS_PROXY'],
  ])('%s with %j is a problem of that variable', (target, env, setting) => {
    expect(to(target, env as Record<string, string>)).toEqual({
      problem: { setting, message: PROBLEM },
    });
  });

  it('that cannot be used is none for addresses it is not for', () => {
    expect(to('http://h', { HTTPS_PROXY: 'ftp://p' })).toEqual({});
    expect(to('http://h', { HTTP_PROXY: 'ftp://p', NO_PROXY: '*' })).toEqual({});
    expect(to('https://h', { HTTP_PROXY: 'ftp://p', HTTPS_PROXY: 'http://p' })).toEqual({
      proxy: 'http://p/',
    });
  });
});

describe('NO_PROXY', () => {
  const HTTP_PROXY = 'http://p:1';
  it.each([
    ['http://h', '*'],
    ['http://h', 'a, h'],
    ['http://a.h', 'h'],
    ['http://a.h', '.h'],
    ['http://a.H', '*.h'],
    ['http://h', 'h:80'],
    ['https://h', 'h:443'],
    ['http://h:5000', 'x h:5000'],
    ['http://127.0.0.1:5000', '127.0.0.1'],
    ['http://[::1]:5000', '::1'],
    ['http://[::1]:5000', '[::1]:5000'],
  ])('%s is exempt by %j', (target, NO_PROXY) => {
    expect(to(target, { HTTP_PROXY, NO_PROXY })).toEqual({});
  });
  it.each([
    ['http://h', ''],
    ['http://h', ','],
    ['http://xh', 'h'],
    ['http://h', 'a.h'],
    ['http://h', 'h:5000'],
    ['http://[::1]:5000', '[::1]:80'],
  ])('%s is not exempt by %j', (target, NO_PROXY) => {
    expect(to(target, { HTTP_PROXY, NO_PROXY })).toEqual({ proxy: 'http://p:1/' });
  });
  it('in lower case goes first', () => {
    expect(to('http://h', { HTTP_PROXY, NO_PROXY: 'h', no_proxy: '' })).toEqual({
      proxy: 'http://p:1/',
    });
  });
});
