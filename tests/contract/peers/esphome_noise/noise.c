/* See noise/protocol.h.
 *
 *   -> psk, e        MixKeyAndHash(psk), MixHash(e), MixKey(e), DecryptAndHash(tag)
 *   <- e, ee         MixHash(e), MixKey(e), MixKey(DH(e, e)), EncryptAndHash(empty) = tag
 *   Split            HKDF(ck): what the other end sends, what we send
 */
#include "noise/protocol.h"

#include <stdlib.h>
#include <string.h>

#define HASH crypto_hash_sha256_BYTES
#define POINT crypto_scalarmult_BYTES
#define TAG crypto_aead_chacha20poly1305_ietf_ABYTES

static const char NAME[] = "Noise_NNpsk0_25519_ChaChaPoly_SHA256";

static void mix_hash(NoiseHandshakeState *state, const void *data, size_t count) {
    crypto_hash_sha256_state hash;
    crypto_hash_sha256_init(&hash);
    crypto_hash_sha256_update(&hash, state->hash, HASH);
    crypto_hash_sha256_update(&hash, data, count);
    crypto_hash_sha256_final(&hash, state->hash);
}

/* HKDF with `outputs` outputs of one hash each, section 4.3. */
static void derive(const uint8_t chain[HASH], const uint8_t *input, size_t count, uint8_t *out, int outputs) {
    uint8_t temporary[HASH];
    crypto_auth_hmacsha256_state mac;
    crypto_auth_hmacsha256_init(&mac, chain, HASH);
    crypto_auth_hmacsha256_update(&mac, input, count);
    crypto_auth_hmacsha256_final(&mac, temporary);
    for (uint8_t number = 1; number <= outputs; number++) {
        crypto_auth_hmacsha256_init(&mac, temporary, HASH);
        if (number > 1)
            crypto_auth_hmacsha256_update(&mac, out + (number - 2) * HASH, HASH);
        crypto_auth_hmacsha256_update(&mac, &number, 1);
        crypto_auth_hmacsha256_final(&mac, out + (number - 1) * HASH);
    }
}

static void set_key(NoiseCipherState *cipher, const uint8_t key[HASH]) {
    memcpy(cipher->key, key, HASH);
    cipher->nonce = 0;
}

static void mix_key(NoiseHandshakeState *state, const uint8_t *input, size_t count) {
    uint8_t out[2 * HASH];
    derive(state->chain, input, count, out, 2);
    memcpy(state->chain, out, HASH);
    set_key(&state->cipher, out + HASH);
}

static void nonce_of(NoiseCipherState *cipher, uint8_t nonce[12]) {
    memset(nonce, 0, 4);
    for (int at = 0; at < 8; at++)
        nonce[4 + at] = (uint8_t)(cipher->nonce >> (8 * at));
    cipher->nonce++;
}

static void seal(NoiseCipherState *cipher, uint8_t *data, size_t count, const uint8_t *extra, size_t extra_count) {
    uint8_t nonce[12];
    nonce_of(cipher, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(data, NULL, data, count, extra, extra_count, NULL, nonce, cipher->key);
}

static int unseal(NoiseCipherState *cipher, uint8_t *data, size_t count, const uint8_t *extra, size_t extra_count) {
    uint8_t nonce[12];
    if (count < TAG)
        return NOISE_ERROR_INVALID_LENGTH;
    nonce_of(cipher, nonce);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(data, NULL, NULL, data, count, extra, extra_count, nonce, cipher->key))
        return NOISE_ERROR_MAC_FAILURE;
    return NOISE_ERROR_NONE;
}

int noise_handshakestate_new_by_id(NoiseHandshakeState **state, const NoiseProtocolId *id, int role) {
    if (id->pattern_id != NOISE_PATTERN_NN || id->modifier_ids[0] != NOISE_MODIFIER_PSK0 || role != NOISE_ROLE_RESPONDER)
        return NOISE_ERROR_UNKNOWN_ID;
    if (sodium_init() < 0)
        return NOISE_ERROR_SYSTEM;
    *state = calloc(1, sizeof **state);
    if (*state == NULL)
        return NOISE_ERROR_NO_MEMORY;
    crypto_hash_sha256((*state)->hash, (const uint8_t *)NAME, sizeof NAME - 1);
    memcpy((*state)->chain, (*state)->hash, HASH);
    return NOISE_ERROR_NONE;
}

int noise_handshakestate_set_pre_shared_key(NoiseHandshakeState *state, const uint8_t *key, size_t count) {
    if (count != sizeof state->psk)
        return NOISE_ERROR_INVALID_LENGTH;
    memcpy(state->psk, key, count);
    state->has_psk = 1;
    return NOISE_ERROR_NONE;
}

int noise_handshakestate_set_prologue(NoiseHandshakeState *state, const void *prologue, size_t count) {
    mix_hash(state, prologue, count);
    return NOISE_ERROR_NONE;
}

int noise_handshakestate_start(NoiseHandshakeState *state) {
    if (!state->has_psk)
        return NOISE_ERROR_PSK_REQUIRED;
    state->action = NOISE_ACTION_READ_MESSAGE;
    return NOISE_ERROR_NONE;
}

int noise_handshakestate_get_action(const NoiseHandshakeState *state) { return state->action; }

int noise_handshakestate_read_message(NoiseHandshakeState *state, NoiseBuffer *message, NoiseBuffer *payload) {
    uint8_t out[3 * HASH];
    uint8_t hash[HASH];
    (void)payload;
    state->action = NOISE_ACTION_FAILED;
    if (message->size != POINT + TAG)
        return NOISE_ERROR_INVALID_LENGTH;
    derive(state->chain, state->psk, sizeof state->psk, out, 3);
    memcpy(state->chain, out, HASH);
    mix_hash(state, out + HASH, HASH);
    set_key(&state->cipher, out + 2 * HASH);
    memcpy(state->remote, message->data, POINT);
    mix_hash(state, state->remote, POINT);
    mix_key(state, state->remote, POINT);
    memcpy(hash, state->hash, HASH);
    mix_hash(state, message->data + POINT, TAG);
    int error = unseal(&state->cipher, message->data + POINT, TAG, hash, HASH);
    if (error == NOISE_ERROR_NONE)
        state->action = NOISE_ACTION_WRITE_MESSAGE;
    return error;
}

int noise_handshakestate_write_message(NoiseHandshakeState *state, NoiseBuffer *message, const NoiseBuffer *payload) {
    uint8_t secret[32], shared[POINT];
    (void)payload;
    state->action = NOISE_ACTION_FAILED;
    if (message->max_size < POINT + TAG)
        return NOISE_ERROR_INVALID_LENGTH;
    randombytes_buf(secret, sizeof secret);
    crypto_scalarmult_base(message->data, secret);
    mix_hash(state, message->data, POINT);
    mix_key(state, message->data, POINT);
    if (crypto_scalarmult(shared, secret, state->remote))
        return NOISE_ERROR_INVALID_PUBLIC_KEY;
    mix_key(state, shared, POINT);
    seal(&state->cipher, message->data + POINT, 0, state->hash, HASH);
    mix_hash(state, message->data + POINT, TAG);
    message->size = POINT + TAG;
    state->action = NOISE_ACTION_SPLIT;
    return NOISE_ERROR_NONE;
}

int noise_handshakestate_split(NoiseHandshakeState *state, NoiseCipherState **send, NoiseCipherState **receive) {
    uint8_t out[2 * HASH];
    derive(state->chain, NULL, 0, out, 2);
    *receive = calloc(1, sizeof **receive);
    *send = calloc(1, sizeof **send);
    if (*receive == NULL || *send == NULL)
        return NOISE_ERROR_NO_MEMORY;
    set_key(*receive, out);
    set_key(*send, out + HASH);
    state->action = NOISE_ACTION_COMPLETE;
    return NOISE_ERROR_NONE;
}

int noise_cipherstate_encrypt(NoiseCipherState *cipher, NoiseBuffer *buffer) {
    if (buffer->max_size < buffer->size + TAG)
        return NOISE_ERROR_INVALID_LENGTH;
    seal(cipher, buffer->data, buffer->size, NULL, 0);
    buffer->size += TAG;
    return NOISE_ERROR_NONE;
}

int noise_cipherstate_decrypt(NoiseCipherState *cipher, NoiseBuffer *buffer) {
    int error = unseal(cipher, buffer->data, buffer->size, NULL, 0);
    if (error == NOISE_ERROR_NONE)
        buffer->size -= TAG;
    return error;
}

size_t noise_cipherstate_get_mac_length(const NoiseCipherState *cipher) {
    (void)cipher;
    return TAG;
}

int noise_cipherstate_free(NoiseCipherState *cipher) {
    free(cipher);
    return NOISE_ERROR_NONE;
}

int noise_handshakestate_free(NoiseHandshakeState *state) {
    free(state);
    return NOISE_ERROR_NONE;
}
