// Imported for its effect, before the first AWS client is made: the SDK is pinned to a version that supports Node 20, and its
// notice about versions of 2027 would greet every command.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
