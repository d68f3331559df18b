/* The part of noise-c's interface that an ESPHome node uses, for the one protocol that it speaks:
 * Noise_NNpsk0_25519_ChaChaPoly_SHA256, as the responder (Noise Protocol Framework, revision 34).
 *
 * PlatformIO would bring noise-c, and cannot where only package registries are reached. What is written here and in
 * noise.c is proven by shaking hands with aioesphomeapi, which has another implementation.
 */
#ifndef YIZHAN_NOISE_PROTOCOL_H
#define YIZHAN_NOISE_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>
#include <sodium.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { NOISE_ERROR_NONE = 0 };
enum {
    NOISE_ERROR_NO_MEMORY = 0x1001, NOISE_ERROR_UNKNOWN_ID, NOISE_ERROR_UNKNOWN_NAME, NOISE_ERROR_MAC_FAILURE,
    NOISE_ERROR_NOT_APPLICABLE, NOISE_ERROR_SYSTEM, NOISE_ERROR_REMOTE_KEY_REQUIRED, NOISE_ERROR_LOCAL_KEY_REQUIRED,
    NOISE_ERROR_PSK_REQUIRED, NOISE_ERROR_INVALID_LENGTH, NOISE_ERROR_INVALID_PARAM, NOISE_ERROR_INVALID_STATE,
    NOISE_ERROR_INVALID_NONCE, NOISE_ERROR_INVALID_PRIVATE_KEY, NOISE_ERROR_INVALID_PUBLIC_KEY,
    NOISE_ERROR_INVALID_FORMAT, NOISE_ERROR_INVALID_SIGNATURE
};
enum { NOISE_ACTION_NONE, NOISE_ACTION_WRITE_MESSAGE, NOISE_ACTION_READ_MESSAGE, NOISE_ACTION_FAILED,
       NOISE_ACTION_SPLIT, NOISE_ACTION_COMPLETE };
enum { NOISE_PATTERN_NN = 1, NOISE_CIPHER_CHACHAPOLY, NOISE_DH_NONE, NOISE_DH_CURVE25519, NOISE_PREFIX_STANDARD,
       NOISE_HASH_SHA256, NOISE_MODIFIER_PSK0, NOISE_ROLE_INITIATOR, NOISE_ROLE_RESPONDER };

typedef struct {
    int pattern_id, cipher_id, dh_id, prefix_id, hybrid_id, hash_id, modifier_ids[4];
} NoiseProtocolId;

typedef struct {
    uint8_t *data;
    size_t size, max_size;
} NoiseBuffer;

#define noise_buffer_init(b) ((b).data = 0, (b).size = (b).max_size = 0)
#define noise_buffer_set_input(b, at, count) ((b).data = (uint8_t *)(at), (b).size = (b).max_size = (count))
#define noise_buffer_set_output(b, at, room) ((b).data = (at), (b).size = 0, (b).max_size = (room))
#define noise_buffer_set_inout(b, at, count, room) ((b).data = (at), (b).size = (count), (b).max_size = (room))

typedef struct {
    uint8_t key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
    uint64_t nonce;
} NoiseCipherState;

typedef struct {
    uint8_t hash[crypto_hash_sha256_BYTES], chain[crypto_hash_sha256_BYTES], psk[32];
    uint8_t remote[crypto_scalarmult_BYTES];
    NoiseCipherState cipher;
    int action, has_psk;
} NoiseHandshakeState;

int noise_handshakestate_new_by_id(NoiseHandshakeState **state, const NoiseProtocolId *id, int role);
int noise_handshakestate_set_pre_shared_key(NoiseHandshakeState *state, const uint8_t *key, size_t count);
int noise_handshakestate_set_prologue(NoiseHandshakeState *state, const void *prologue, size_t count);
int noise_handshakestate_start(NoiseHandshakeState *state);
int noise_handshakestate_get_action(const NoiseHandshakeState *state);
int noise_handshakestate_read_message(NoiseHandshakeState *state, NoiseBuffer *message, NoiseBuffer *payload);
int noise_handshakestate_write_message(NoiseHandshakeState *state, NoiseBuffer *message, const NoiseBuffer *payload);
int noise_handshakestate_split(NoiseHandshakeState *state, NoiseCipherState **send, NoiseCipherState **receive);
int noise_handshakestate_free(NoiseHandshakeState *state);
int noise_cipherstate_encrypt(NoiseCipherState *cipher, NoiseBuffer *buffer);
int noise_cipherstate_decrypt(NoiseCipherState *cipher, NoiseBuffer *buffer);
size_t noise_cipherstate_get_mac_length(const NoiseCipherState *cipher);
int noise_cipherstate_free(NoiseCipherState *cipher);

#ifdef __cplusplus
}
#endif
#endif
