// A shop that has something to say to its users now and then. Where users log in, this would be
// POST /users/{user}; here their names are channels.

const EVERY_MS = 12_000;
const USERS = ["ann", "ben", "cleo"];
const NEWS = [
  ["Parcel", "Your parcel has left the warehouse"],
  ["Invoice", "Your invoice for October is there"],
  ["Reply", "June has answered your question"],
  ["Reminder", "The table for four is at eight tonight"],
  ["Price alert", "The lamp on your list costs a third less"],
];

export async function run(fanwire, sleep) {
  for (let n = 0; ; n += 1) {
    const [title, text] = NEWS[n % NEWS.length];
    const channel = `demo.user.${USERS[n % USERS.length]}`;
    await fanwire.publish({ channel, data: { title, text } });
    await sleep(EVERY_MS);
  }
}
